package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// createConnection is CREATE CONNECTION.
func (c *call) createConnection(ctx context.Context, n *ast.CreateConnection) error {
	kind := strings.ToLower(n.Kind.Name)
	if connectionKinds[kind] == nil {
		return sqlerr.Unsupported(n.Kind.Pos(), "The kinds are KAFKA, NATS, REDIS, WEBHOOK and MONGODB.", "%s connections are not supported", strings.ToUpper(n.Kind.Name))
	}
	db := c.env.Database()
	old, err := c.m.connection(ctx, db, n.Name.Name)
	if err != nil && old == nil {
		return err
	}
	switch {
	case old != nil && n.IfNotExists:
		c.notice("NOTICE", sqlerr.DuplicateObject, "connection \"%s\" already exists, skipping", n.Name.Name)
		return nil
	case old != nil && !n.OrReplace:
		return sqlerr.New(sqlerr.DuplicateObject, "connection \"%s\" already exists", n.Name.Name).At(n.Name.Pos()).WithHint("Use CREATE OR REPLACE CONNECTION or ALTER CONNECTION.")
	case old != nil && old.Kind != kind && len(c.usersOf(n.Name.Name)) > 0:
		return c.connectionInUse(n.Name)
	}
	if old != nil && old.Kind == kind { // *** stands for what is stored
		fresh := &Connection{Name: old.Name, Database: db, Kind: kind, CreatedAt: old.CreatedAt, Comment: old.Comment}
		fresh.Credentials = old.Credentials
		fresh.Credentials.Headers, _ = credentialHeaders(old.Headers())
		return c.saveConnection(ctx, fresh, n.Options, n.Name, true)
	}
	fresh := &Connection{Name: n.Name.Name, Database: db, Kind: kind, CreatedAt: c.m.clock()}
	return c.saveConnection(ctx, fresh, n.Options, n.Name, true)
}

// alterConnection is ALTER CONNECTION.
func (c *call) alterConnection(ctx context.Context, n *ast.AlterConnection) error {
	found, err := c.findConnection(ctx, n.Name)
	if err != nil {
		return err
	}
	return c.saveConnection(ctx, found, n.Set, n.Name, false)
}

func (c *call) findConnection(ctx context.Context, name ast.Ident) (*Connection, error) {
	found, err := c.m.connection(ctx, c.env.Database(), name.Name)
	if err == nil && found == nil {
		err = sqlerr.New(sqlerr.UndefinedObject, "connection \"%s\" does not exist", name.Name).At(name.Pos()).WithHint("SHOW CONNECTIONS lists them.")
	}
	return found, err
}

// saveConnection takes options in and stores the connection; the subscriptions
// that use it connect anew.
func (c *call) saveConnection(ctx context.Context, conn *Connection, options []*ast.Option, name ast.Ident, whole bool) error {
	seen := map[string]bool{}
	for _, n := range options {
		o := &OptionValue{Name: strings.ToLower(n.Name.Name), NamePos: n.Name.Pos()}
		if seen[o.Name] {
			return sqlerr.New(sqlerr.SyntaxError, "option %q is given more than once", o.Name).At(n.Name.Pos())
		}
		seen[o.Name] = true
		if n.Value == nil {
			return sqlerr.New(sqlerr.SyntaxError, "option %q needs a value", o.Name).At(n.Name.Pos())
		}
		o.ValuePos = n.Value.Pos()
		var err error
		if o.Value, err = optionConstant(ctx, c.lang, n.Value); err != nil {
			return err
		}
		if err := conn.setOption(o); err != nil {
			return err
		}
	}
	if whole {
		conn.forgetUnnamed(seen)
	}
	if err := conn.check(name.Pos()); err != nil {
		return err
	}
	if err := c.sealConnection(conn, name); err != nil {
		return err
	}
	if _, err := updateOne(ctx, c.m.st, collConnections, bson.D{{Key: "_id", Value: connectionID(conn.Database, conn.Name)}}, marshal(conn), true); err != nil {
		return fmt.Errorf("save connection %s: %w", conn.Name, err)
	}
	return c.reconnect(ctx, conn.Name)
}

// sealConnection encrypts the credentials for the store.
func (c *call) sealConnection(conn *Connection, name ast.Ident) (err error) {
	conn.Sealed = nil
	if c.m.vault.has() { // what was stored without one is taken along
		conn.Credentials.Headers, conn.Settings.Headers = credentialHeaders(conn.Headers())
	}
	if conn.Credentials.empty() {
		return nil
	}
	conn.Sealed, err = c.m.vault.seal(conn.Credentials, connectionID(conn.Database, conn.Name))
	if errors.Is(err, errNoKey) {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "credentials cannot be stored: the gateway has no key for them").At(name.Pos()).
			WithHint("Start the gateway with a key for credentials, the same on every gateway.")
	}
	return err
}

// reconnect restarts what uses a connection.
func (c *call) reconnect(ctx context.Context, name string) error {
	users := c.usersOf(name)
	for _, id := range users {
		if _, err := changeDefinition(ctx, c.m.st, bson.D{{Key: "_id", Value: id}}, bson.E{Key: "$inc", Value: bson.D{{Key: "version", Value: int32(1)}}}); err != nil {
			return err
		}
	}
	if len(users) == 0 {
		return nil
	}
	return c.m.adopt(ctx, c.env.Database())
}

// usersOf gives the ids of the subscriptions that use a connection.
func (c *call) usersOf(name string) []string {
	return c.m.usersOf(c.env.Database(), name)
}

func (m *Manager) usersOf(db, name string) []string {
	out := []string{}
	for _, s := range m.found(db) {
		if s.Spec.Connection == name {
			out = append(out, s.ID)
		}
	}
	return out
}

func (c *call) connectionInUse(name ast.Ident) error {
	return sqlerr.New(sqlerr.DependentObjectsStillExist, "connection \"%s\" is in use", name.Name).At(name.Pos()).
		WithDetail("It is used by %s.", strings.Join(c.usersOf(name.Name), ", ")).WithHint("Drop these subscriptions or give them another connection first.")
}

// dropConnection is DROP CONNECTION.
func (c *call) dropConnection(ctx context.Context, n *ast.DropConnection) error {
	if _, err := c.findConnection(ctx, n.Name); err != nil {
		if n.IfExists && sqlerr.As(err).Code == sqlerr.UndefinedObject {
			c.notice("NOTICE", sqlerr.SuccessfulCompletion, "connection \"%s\" does not exist, skipping", n.Name.Name)
			return nil
		}
		return err
	}
	if len(c.usersOf(n.Name.Name)) > 0 {
		return c.connectionInUse(n.Name)
	}
	id := connectionID(c.env.Database(), n.Name.Name)
	_, err := c.m.st.Write(ctx, ns(collConnections), []store.WriteOp{{Kind: store.Delete, Filter: marshal(bson.D{{Key: "_id", Value: id}})}}, store.WriteOptions{Durable: true})
	return err
}

// fits refuses a subscription whose connection is missing or of another kind.
func (c *call) fits(ctx context.Context, s *Spec, given givenOptions, pos int) error {
	if err := c.mayWriteTo(s, given.at(pos, "target")); err != nil {
		return err
	}
	if s.Connection == "" {
		return nil
	}
	conn, err := c.m.connection(ctx, s.Database, s.Connection)
	if err != nil {
		return err
	}
	if conn == nil {
		return sqlerr.New(sqlerr.UndefinedObject, "connection \"%s\" does not exist", s.Connection).At(given.at(pos, "connection", "target")).WithHint("SHOW CONNECTIONS lists them; CREATE CONNECTION makes one.")
	}
	if s.Target.Kind == TargetNone {
		return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option %q", "connection").At(given.at(pos, "connection", "target")).
			WithHint("A subscription without a target has no use for a connection; name a target, such as DELIVER TO 'path' USING %s.", ast.QuoteIdent(conn.Name))
	}
	if !slices.Contains(connectionKinds[conn.Kind], s.Target.Kind) {
		return sqlerr.New(sqlerr.InvalidParameterValue, "a %s target cannot use connection \"%s\" of kind %s", s.Target.Kind, conn.Name, strings.ToUpper(conn.Kind)).At(given.at(pos, "connection", "target")).
			WithHint("SHOW CONNECTIONS lists the connections and their kinds.")
	}
	return c.verify(ctx, s, conn, given, pos)
}

// verifyWait bounds how long a broker is asked.
const verifyWait = time.Second

// verified are the targets that are asked before there are events.
var verified = []TargetKind{TargetKafka, TargetNATS, TargetRedis, TargetRedisChannel}

// verify asks the sink whether the other end honours what the subscription relies
// on. What was asked for by name must be honoured; else it is a WARNING.
func (c *call) verify(ctx context.Context, s *Spec, conn *Connection, given givenOptions, pos int) error {
	if !slices.Contains(verified, s.Target.Kind) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, verifyWait)
	defer cancel()
	sink, err := c.m.sinks(ctx, s, conn)
	if err != nil {
		return nil // the dispatcher tells
	}
	defer func() { _ = sink.Close() }()
	v, ok := sink.(Verifier)
	if !ok {
		return nil
	}
	problem := v.Verify(ctx)
	switch {
	case problem == nil:
	case problem.Option != "" && given.asks(problem.Option):
		return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option %q", problem.Option).At(given.at(pos, problem.Option, "target")).
			WithDetail("%s.", problem.Text).WithHint("%s", problem.Hint)
	default:
		c.notice("WARNING", sqlerr.Warning, "%s", problem.Text).WithHint("%s", problem.Hint)
	}
	return nil
}

// connectionRows are the rows of EVENT_CONNECTIONS() and SHOW CONNECTIONS.
func (m *Manager) connectionRows(ctx context.Context, database string) ([]bson.Raw, error) {
	all, err := m.connections(ctx, database)
	if err != nil {
		return nil, err
	}
	var out []bson.Raw
	for _, c := range all {
		if len(c.Sealed) > 0 {
			if err := m.vault.open(c.Sealed, connectionID(database, c.Name), &c.Credentials); err != nil {
				c.Credentials = Credentials{}
			}
		}
		out = append(out, marshal(bson.D{{Key: "name", Value: c.Name}, {Key: "kind", Value: c.Kind}, {Key: "options", Value: c.masked()},
			{Key: "used_by", Value: m.usersOf(database, c.Name)}, {Key: "created_at", Value: c.CreatedAt}}))
	}
	return out, nil
}

// forgetUnnamed drops credentials that a whole definition does not name.
func (c *Connection) forgetUnnamed(given map[string]bool) {
	for name, field := range map[string]*string{"password": &c.Credentials.Password, "token": &c.Credentials.Token, "secret": &c.Credentials.Secret} {
		if !given[name] {
			*field = ""
		}
	}
	if !given["headers"] {
		c.Credentials.Headers = nil
	}
}

// showCreateConnection is SHOW CREATE CONNECTION name.
func (c *call) showCreateConnection(ctx context.Context, name ast.Ident) error {
	conn, err := c.findConnection(ctx, name)
	if err != nil {
		return err
	}
	c.row(bson.D{{Key: "connection_name", Value: conn.Name}, {Key: "create_statement", Value: conn.ShowCreate()}})
	return nil
}

// commentConnection is COMMENT ON CONNECTION name IS 'text' | NULL.
func (c *call) commentConnection(ctx context.Context, n *ast.Comment) error {
	conn, err := c.findConnection(ctx, n.Name.Last())
	if err != nil {
		return err
	}
	text := ""
	if n.Text != nil {
		text = n.Text.Value
	}
	_, err = updateOne(ctx, c.m.st, collConnections, bson.D{{Key: "_id", Value: connectionID(conn.Database, conn.Name)}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "comment", Value: text}}}}, false)
	return err
}
