package events

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Spec is the definition of a subscription as it is stored: every option, with
// its default where none was given. Names and defaults are those of the SQL
// options, whose table is options.go.
type Spec struct {
	ID          string   `bson:"subscription_id"`
	Name        string   `bson:"subscription_name"`
	Database    string   `bson:"database_name"`
	ServiceName string   `bson:"service_name,omitempty"`
	Description string   `bson:"description,omitempty"`
	CreatedBy   string   `bson:"created_by,omitempty"`
	Tags        []string `bson:"tags,omitempty"`

	Collections  []string `bson:"watch_collections"` // empty: the whole database; * matches any run of characters
	EventTypes   []string `bson:"event_types"`       // lower case: insert … delete, ddl, or single DDL operations
	UpdateFields []string `bson:"update_fields,omitempty"`
	Filter       bson.Raw `bson:"event_filter,omitempty"` // as given; see filter.go for its meaning
	Where        string   `bson:"where,omitempty"`

	Target     Target            `bson:"target"`
	Connection string            `bson:"connection,omitempty"`
	Secrets    []Secret          `bson:"secrets,omitempty"` // the newest first
	Headers    map[string]string `bson:"headers,omitempty"`
	Sealed     []byte            `bson:"sealed,omitempty"` // as it is stored: the secrets, encrypted
	locked     error             // why they do not open

	PayloadFormat string `bson:"payload_format"`
	Transform     string `bson:"transform,omitempty"`

	Batch          bool     `bson:"batch_processing"`
	BatchSize      int      `bson:"batch_size"`
	BatchWaitMS    int      `bson:"batch_wait_ms"`
	PreserveOrder  string   `bson:"preserve_order"` // true, false, strict
	OrderingKey    []string `bson:"ordering_key,omitempty"`
	DeliveryShards int      `bson:"delivery_shards"`

	FullDocument             string `bson:"full_document"`
	FullDocumentBeforeChange string `bson:"full_document_before_change"`

	MaxRetryAttempts   int           `bson:"max_retry_attempts"` // -1: until MaxAge
	RetryDelayMS       int           `bson:"retry_delay_ms"`
	MaxRetryDelayMS    int           `bson:"max_retry_delay_ms"`
	ExponentialBackoff bool          `bson:"exponential_backoff"`
	MaxAge             time.Duration `bson:"max_age,omitempty"`
	RetryStatuses      []int         `bson:"retry_statuses,omitempty"`
	TerminalStatuses   []int         `bson:"terminal_statuses,omitempty"`
	TimeoutMS          int           `bson:"processing_timeout_ms"`
	DeadLetters        bool          `bson:"dead_letter_queue_enabled"`
	OnDeadLetter       string        `bson:"on_dead_letter"`
	OnHistoryLost      string        `bson:"on_history_lost"`
	OnCollectionDrop   string        `bson:"on_collection_drop"`

	CorrelationPath []string `bson:"correlation_path"`
	CausationPath   []string `bson:"causation_path"`
	ProcessPath     []string `bson:"process_path"`
	SourceService   string   `bson:"source_service,omitempty"`
	TargetService   string   `bson:"target_service,omitempty"`
	InteractionType string   `bson:"interaction_type,omitempty"`

	Tracking     string        `bson:"tracking"`
	Retention    time.Duration `bson:"retention"`
	Inbox        bool          `bson:"inbox,omitempty"`
	DedupeWindow time.Duration `bson:"dedupe_window,omitempty"`
}

// Secret signs webhooks. An older one is valid until Until.
type Secret struct {
	Key   string    `bson:"key"` // whsec_ and base64
	Until time.Time `bson:"until,omitempty"`
}

// TargetKind is where a subscription's events go.
type TargetKind string

// The kinds of targets, by their prefix in the target option.
const (
	TargetNone         TargetKind = "" // logged only
	TargetWebhook      TargetKind = "webhook"
	TargetCollection   TargetKind = "collection"
	TargetNotify       TargetKind = "notify"
	TargetPull         TargetKind = "pull"
	TargetKafka        TargetKind = "kafka"
	TargetNATS         TargetKind = "nats"
	TargetRedis        TargetKind = "redis"
	TargetRedisChannel TargetKind = "redis-channel"
)

// signs tells whether deliveries are signed with a secret of the subscription's own.
func (s *Spec) signs() bool { return s.Target.Kind == TargetWebhook && len(s.Secrets) > 0 }

// dedupes tells whether a sink can drop what comes again within a window.
func (k TargetKind) dedupes() bool { return k == TargetNATS || k == TargetRedis }

// Target is a kind and its name: a URL, collection, channel, topic, subject or stream.
type Target struct {
	Kind TargetKind `bson:"kind"`
	Name string     `bson:"name,omitempty"`
}

// String gives the target as the option spells it.
func (t Target) String() string {
	switch t.Kind {
	case TargetNone:
		return ""
	case TargetWebhook:
		return t.Name
	case TargetPull:
		return "pull"
	}
	return string(t.Kind) + ":" + t.Name
}

// Day is the unit of retention.
const Day = 24 * time.Hour

// defaultMaxRetryDelayMS caps the time between two sends.
const defaultMaxRetryDelayMS = 300_000

// NewSpec gives a subscription with every default.
func NewSpec(database, name string) *Spec {
	return &Spec{
		ID: name, Name: name, Database: database,
		EventTypes:    []string{"insert", "update", "replace", "delete"},
		PayloadFormat: "cloudevents", BatchSize: 100, BatchWaitMS: 100, PreserveOrder: "true", DeliveryShards: 1,
		FullDocument: "updateLookup", FullDocumentBeforeChange: "off",
		MaxRetryAttempts: 10, RetryDelayMS: 1000, MaxRetryDelayMS: defaultMaxRetryDelayMS, ExponentialBackoff: true, TimeoutMS: 30_000,
		DeadLetters: true, OnDeadLetter: "continue", OnHistoryLost: "suspend", OnCollectionDrop: "keep",
		CorrelationPath: fieldCorrelation.paths(),
		CausationPath:   fieldCausation.paths(),
		ProcessPath:     fieldProcess.paths(),
		Tracking:        "events", Retention: 7 * Day, DedupeWindow: 2 * time.Minute,
	}
}
