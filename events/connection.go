package events

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/sqlerr"
)

// Connection is an address with credentials that subscriptions share.
type Connection struct {
	Name      string    `bson:"name"`
	Database  string    `bson:"database_name"`
	Kind      string    `bson:"kind"` // kafka, nats, redis, webhook
	CreatedAt time.Time `bson:"created_at"`
	Settings  Settings  `bson:"settings"`
	Sealed    []byte    `bson:"sealed,omitempty"` // the Credentials, encrypted

	Credentials Credentials `bson:"-"`
}

// Settings are the options of a connection that are no secrets.
type Settings struct {
	Brokers       []string          `bson:"brokers,omitempty"`
	SASLMechanism string            `bson:"sasl_mechanism,omitempty"`
	URL           string            `bson:"url,omitempty"`
	BaseURL       string            `bson:"base_url,omitempty"`
	Username      string            `bson:"username,omitempty"`
	TLS           bool              `bson:"tls,omitempty"`
	CA            string            `bson:"ca,omitempty"`
	ClientID      string            `bson:"client_id,omitempty"`
	Headers       map[string]string `bson:"headers,omitempty"`
}

// Credentials are the secret options.
type Credentials struct {
	Password string `bson:"password,omitempty"`
	Token    string `bson:"token,omitempty"`
	Secret   string `bson:"secret,omitempty"`
}

// connectionOption is an option of CREATE CONNECTION.
type connectionOption struct {
	name  string
	kinds string // that have it
	set   func(c *Connection, o *OptionValue) error
}

var connectionOptions = []connectionOption{
	{"brokers", "kafka", func(c *Connection, o *OptionValue) (err error) { c.Settings.Brokers, err = o.list(); return err }},
	{"sasl_mechanism", "kafka", func(c *Connection, o *OptionValue) (err error) {
		c.Settings.SASLMechanism, err = o.oneOf("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
		return err
	}},
	{"url", "nats redis", func(c *Connection, o *OptionValue) (err error) { c.Settings.URL, err = o.text(); return err }},
	{"base_url", "webhook", func(c *Connection, o *OptionValue) (err error) {
		if c.Settings.BaseURL, err = o.text(); err == nil {
			err = checkURL(c.Settings.BaseURL, false, o)
		}
		return err
	}},
	{"username", "kafka nats redis", func(c *Connection, o *OptionValue) (err error) { c.Settings.Username, err = o.text(); return err }},
	{"password", "kafka nats redis", func(c *Connection, o *OptionValue) (err error) { c.Credentials.Password, err = o.text(); return err }},
	{"token", "nats", func(c *Connection, o *OptionValue) (err error) { c.Credentials.Token, err = o.text(); return err }},
	{"tls", "kafka nats redis", func(c *Connection, o *OptionValue) (err error) { c.Settings.TLS, err = o.boolean(); return err }},
	{"ca", "kafka nats redis", func(c *Connection, o *OptionValue) (err error) { c.Settings.CA, err = o.text(); return err }},
	{"client_id", "kafka", func(c *Connection, o *OptionValue) (err error) { c.Settings.ClientID, err = o.text(); return err }},
	{"headers", "webhook", func(c *Connection, o *OptionValue) (err error) { c.Settings.Headers, err = o.stringMap(); return err }},
	{"secret", "webhook", func(c *Connection, o *OptionValue) error {
		var s Spec
		if err := setSecret(&s, o); err != nil {
			return err
		}
		if len(s.Secrets) == 0 {
			return o.bad("'whsec_' and the base64 form of 24 to 64 bytes")
		}
		c.Credentials.Secret = s.Secrets[0].Key
		return nil
	}},
}

// connectionKinds maps the kinds to the targets that they serve.
var connectionKinds = map[string][]TargetKind{
	"kafka": {TargetKafka}, "nats": {TargetNATS}, "redis": {TargetRedis, TargetRedisChannel}, "webhook": {TargetWebhook},
}

func (c *Connection) setOption(o *OptionValue) error {
	i := slices.IndexFunc(connectionOptions, func(k connectionOption) bool {
		return k.name == o.Name && slices.Contains(strings.Fields(k.kinds), c.Kind)
	})
	if i >= 0 {
		return connectionOptions[i].set(c, o)
	}
	var names []string
	for _, k := range connectionOptions {
		if slices.Contains(strings.Fields(k.kinds), c.Kind) {
			names = append(names, k.name)
		}
	}
	return sqlerr.New(sqlerr.UndefinedObject, "unrecognized option %q of a %s connection", o.Name, strings.ToUpper(c.Kind)).At(o.NamePos).
		WithHint("The options are %s.", strings.Join(names, ", "))
}

// check refuses a connection without an address.
func (c *Connection) check(pos int) error {
	need, missing := "", false
	switch c.Kind {
	case "kafka":
		need, missing = "brokers", len(c.Settings.Brokers) == 0
	case "nats", "redis":
		need, missing = "url", c.Settings.URL == ""
	case "webhook":
		need, missing = "base_url", c.Settings.BaseURL == ""
	}
	if missing {
		return sqlerr.New(sqlerr.InvalidParameterValue, "a %s connection needs the option %q", strings.ToUpper(c.Kind), need).At(pos)
	}
	return nil
}

// masked gives all options for show, secrets masked.
func (c *Connection) masked() bson.D {
	var d bson.D
	if err := bson.Unmarshal(marshal(c.Settings), &d); err != nil {
		return nil
	}
	for _, s := range []struct{ name, value string }{{"password", c.Credentials.Password}, {"token", c.Credentials.Token}, {"secret", c.Credentials.Secret}} {
		if s.value != "" {
			d = append(d, bson.E{Key: s.name, Value: masked})
		}
	}
	return d
}

// vault encrypts credentials with AES-256-GCM; its key is the hash of a secret
// of any length.
type vault struct{ aead cipher.AEAD }

var errNoKey = errors.New("the gateway has no key for credentials")

func newVault(secret []byte) (*vault, error) {
	if len(secret) == 0 {
		return &vault{}, nil
	}
	key := sha256.Sum256(secret)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &vault{aead}, err
}

// seal encrypts; the name binds the result to its connection.
func (v *vault) seal(c Credentials, name string) ([]byte, error) {
	if c == (Credentials{}) {
		return nil, nil
	}
	if v.aead == nil {
		return nil, errNoKey
	}
	nonce := make([]byte, v.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return v.aead.Seal(nonce, nonce, marshal(c), []byte(name)), nil
}

func (v *vault) open(sealed []byte, name string) (c Credentials, err error) {
	if len(sealed) == 0 {
		return c, nil
	}
	if v.aead == nil {
		return c, errNoKey
	}
	if len(sealed) < v.aead.NonceSize() {
		return c, errors.New("the stored credentials are damaged")
	}
	plain, err := v.aead.Open(nil, sealed[:v.aead.NonceSize()], sealed[v.aead.NonceSize():], []byte(name))
	if err != nil {
		return c, errors.New("the stored credentials do not open with this gateway's key")
	}
	return c, bson.Unmarshal(plain, &c)
}

func connectionID(db, name string) string { return db + "." + name }

// connections reads those of a database.
func (m *Manager) connections(ctx context.Context, db string) ([]*Connection, error) {
	var out []*Connection
	err := query(ctx, m.st, collConnections, []bson.D{{{Key: "$match", Value: bson.D{{Key: "database_name", Value: db}}}}, {{Key: "$sort", Value: bson.D{{Key: "name", Value: 1}}}}}, func(doc bson.Raw) error {
		c := &Connection{}
		if err := bson.Unmarshal(slices.Clone(doc), c); err != nil {
			return fmt.Errorf("connection %s: %w", doc.Lookup("_id"), err)
		}
		out = append(out, c)
		return nil
	})
	return out, err
}

// connection finds one with its credentials, nil: there is none.
func (m *Manager) connection(ctx context.Context, db, name string) (*Connection, error) {
	all, err := m.connections(ctx, db)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(c *Connection) bool { return c.Name == name })
	if i < 0 {
		return nil, nil
	}
	c := all[i]
	c.Credentials, err = m.vault.open(c.Sealed, connectionID(db, name))
	if err != nil {
		err = fmt.Errorf("connection %s: %w", name, err)
	}
	return c, err
}
