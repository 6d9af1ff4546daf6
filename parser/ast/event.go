package ast

// CreateEventSubscription is either
//
//	CREATE [OR REPLACE] EVENT_SUBSCRIPTION [IF NOT EXISTS] name AS (option = expr, …)
//	CREATE [OR REPLACE] EVENT_SUBSCRIPTION [IF NOT EXISTS] name ON coll, … | ON DATABASE [FOR event, …] [WHERE cond]
//	  [DELIVER TO …] [START AT …] [WITH BACKFILL] [WITH (option = expr, …)]
//
// CREATE CHANGE_STREAM and CREATE CHANGE STREAM are spellings of the second. AsForm tells them apart for
// printing; a consumer reads both alike, because the first leaves the clauses empty.
type CreateEventSubscription struct {
	Stmt
	OrReplace   bool
	IfNotExists bool
	Name        Ident
	AsForm      bool
	Database    bool    // ON DATABASE
	Collections []*Name // ON coll, …
	Events      []*EventSelector
	Where       Expr
	Deliver     *DeliverTo
	Start       *StreamPosition
	Backfill    bool
	Options     []*Option
}

// EventSelector is INSERT | UPDATE [OF field, …] | REPLACE | DELETE | DDL
type EventSelector struct {
	Span
	Event  string  // insert, update, replace, delete, ddl or a single DDL operation, in lower case
	Fields []*Name // paths of UPDATE OF
}

// SinkKind is where events are delivered to.
type SinkKind int

const (
	SinkWebhook      SinkKind = iota // 'https://…'
	SinkCollection                   // COLLECTION c
	SinkNotify                       // NOTIFY channel
	SinkPull                         // PULL
	SinkKafka                        // KAFKA 'topic'
	SinkNATS                         // NATS 'subject'
	SinkRedis                        // REDIS 'stream'
	SinkRedisChannel                 // REDIS CHANNEL 'name'
)

// DeliverTo is DELIVER TO 'https://…' | COLLECTION c | NOTIFY channel | PULL | KAFKA 'topic' | NATS 'subject' | REDIS [CHANNEL] 'name' [USING conn]
type DeliverTo struct {
	Span
	Kind       SinkKind
	Target     string // URL, topic, subject, stream or channel
	Collection *Name
	Using      Ident
}

// PositionKind tells positions in the event stream apart.
type PositionKind int

const (
	PositionNow PositionKind = iota
	PositionBeginning
	PositionTimestamp
	PositionToken
)

// StreamPosition is NOW | BEGINNING | TIMESTAMP expr | TOKEN expr
type StreamPosition struct {
	Span
	Kind  PositionKind
	Value Expr // the text, parameter or expression after TIMESTAMP or TOKEN
}

// AlterEventSubscription is ALTER EVENT_SUBSCRIPTION name SET (option = expr, …) | RESET (option, …) | RENAME TO n | OWNER TO r
type AlterEventSubscription struct {
	Stmt
	Name     Ident
	Set      []*Option
	Reset    []Ident
	RenameTo Ident
	OwnerTo  Ident
}

// PauseEventSubscription is PAUSE EVENT_SUBSCRIPTION name
type PauseEventSubscription struct {
	Stmt
	Name Ident
}

// ResumeEventSubscription is RESUME EVENT_SUBSCRIPTION name [SKIP PENDING]
type ResumeEventSubscription struct {
	Stmt
	Name        Ident
	SkipPending bool
}

// DropEventSubscription is DROP EVENT_SUBSCRIPTION [IF EXISTS] name [RESTRICT | CASCADE]
type DropEventSubscription struct {
	Stmt
	IfExists bool
	Name     Ident
	Behavior Behavior
}

// RewindEventSubscription is REWIND EVENT_SUBSCRIPTION name TO position
type RewindEventSubscription struct {
	Stmt
	Name Ident
	To   *StreamPosition
}

// BackfillEventSubscription is BACKFILL EVENT_SUBSCRIPTION name [COLLECTION c] [WHERE cond] [CANCEL]
type BackfillEventSubscription struct {
	Stmt
	Name       Ident
	Collection *Name
	Where      Expr
	Cancel     bool
}

// DeadLetters is REDRIVE | DISCARD DEAD LETTERS FOR name [WHERE cond] [LIMIT n]
type DeadLetters struct {
	Stmt
	Discard bool
	Name    Ident
	Where   Expr
	Limit   Expr
}

// AcknowledgeEvents is ACKNOWLEDGE EVENT_SUBSCRIPTION name UP TO position
type AcknowledgeEvents struct {
	Stmt
	Name Ident
	UpTo Expr
}

// TestEventSubscription is TEST EVENT_SUBSCRIPTION name [ON LAST n EVENTS] [SEND]
type TestEventSubscription struct {
	Stmt
	Name Ident
	Last Expr
	Send bool
}

// ShowEvents is SHOW EVENT_SUBSCRIPTIONS | CONNECTIONS [LIKE 'p']
type ShowEvents struct {
	Stmt
	Connections bool
	Like        *StringLiteral
}

// ShowCreate is SHOW CREATE EVENT_SUBSCRIPTION | TABLE | VIEW | … name
type ShowCreate struct {
	Stmt
	Kind ObjectKind
	Name *Name
}

// ExplainEventSubscription is EXPLAIN EVENT_SUBSCRIPTION name
type ExplainEventSubscription struct {
	Stmt
	Name Ident
}

// RotateSecret is ROTATE SECRET FOR name
type RotateSecret struct {
	Stmt
	Name Ident
}

// CreateConnection is CREATE [OR REPLACE] CONNECTION [IF NOT EXISTS] name TO KAFKA | NATS | REDIS | WEBHOOK | MONGODB (option = expr, …)
type CreateConnection struct {
	Stmt
	OrReplace   bool
	IfNotExists bool
	Name        Ident
	Kind        Ident
	Options     []*Option
}

// AlterConnection is ALTER CONNECTION name SET (option = expr, …)
type AlterConnection struct {
	Stmt
	Name Ident
	Set  []*Option
}

// DropConnection is DROP CONNECTION [IF EXISTS] name
type DropConnection struct {
	Stmt
	IfExists bool
	Name     Ident
}

// Subscribe is SUBSCRIBE TO name | (query) [WITH (option, …)] [AS OF expr] [UP TO expr]
type Subscribe struct {
	Stmt
	Name    *Name
	Query   *Query
	Options []*Option
	AsOf    Expr
	UpTo    Expr
}

func (n *CreateEventSubscription) children(visit func(Node)) {
	visitAll(visit, n.Collections)
	visitAll(visit, n.Events)
	visitAny(visit, n.Where)
	visitOne(visit, n.Deliver)
	visitOne(visit, n.Start)
	visitAll(visit, n.Options)
}

func (n *EventSelector) children(visit func(Node)) {
	visitAll(visit, n.Fields)
}

func (n *DeliverTo) children(visit func(Node)) {
	visitOne(visit, n.Collection)
}

func (n *StreamPosition) children(visit func(Node)) {
	visitAny(visit, n.Value)
}

func (n *AlterEventSubscription) children(visit func(Node)) {
	visitAll(visit, n.Set)
}

func (n *RewindEventSubscription) children(visit func(Node)) {
	visitOne(visit, n.To)
}

func (n *BackfillEventSubscription) children(visit func(Node)) {
	visitOne(visit, n.Collection)
	visitAny(visit, n.Where)
}

func (n *DeadLetters) children(visit func(Node)) {
	visitAny(visit, n.Where)
	visitAny(visit, n.Limit)
}

func (n *AcknowledgeEvents) children(visit func(Node)) {
	visitAny(visit, n.UpTo)
}

func (n *TestEventSubscription) children(visit func(Node)) {
	visitAny(visit, n.Last)
}

func (n *ShowEvents) children(visit func(Node)) {
	visitOne(visit, n.Like)
}

func (n *ShowCreate) children(visit func(Node)) {
	visitOne(visit, n.Name)
}

func (n *CreateConnection) children(visit func(Node)) {
	visitAll(visit, n.Options)
}

func (n *AlterConnection) children(visit func(Node)) {
	visitAll(visit, n.Set)
}

func (n *Subscribe) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitOne(visit, n.Query)
	visitAll(visit, n.Options)
	visitAny(visit, n.AsOf)
	visitAny(visit, n.UpTo)
}
