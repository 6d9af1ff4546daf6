package events

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/parser/ast"
	"weir/sqlerr"
)

// Connection is an address with credentials that subscriptions share.
type Connection struct {
	Name      string    `bson:"name"`
	Database  string    `bson:"database_name"`
	Kind      string    `bson:"kind"` // kafka, nats, redis, webhook, mongodb
	Comment   string    `bson:"comment,omitempty"`
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
	URI           string            `bson:"uri,omitempty"`
	Username      string            `bson:"username,omitempty"`
	TLS           bool              `bson:"tls,omitempty"`
	CA            string            `bson:"ca,omitempty"`
	ClientID      string            `bson:"client_id,omitempty"`
	Headers       map[string]string `bson:"headers,omitempty"` // but those of the Credentials
}

// Credentials are the secret options.
type Credentials struct {
	Password string `bson:"password,omitempty"`
	Token    string `bson:"token,omitempty"`
	Secret   string `bson:"secret,omitempty"`
	Address  string `bson:"address,omitempty"` // the URL where it holds a password; the setting has it masked

	Headers map[string]string `bson:"headers,omitempty"` // those that hold credentials
}

func (c *Credentials) empty() bool {
	return c.Password == "" && c.Token == "" && c.Secret == "" && c.Address == "" && len(c.Headers) == 0
}

// Address is where the connection leads: its url, base_url or uri.
func (c *Connection) Address() string {
	return cmp.Or(c.Credentials.Address, c.Settings.URL, c.Settings.BaseURL, c.Settings.URI)
}

// MaskURL gives a URL as it is shown: without the password that it may hold.
func MaskURL(given string) string {
	u, err := url.Parse(given)
	if err != nil || u.User == nil {
		return given
	}
	if _, has := u.User.Password(); !has {
		return given
	}
	// The password may hold further : and @ as they are; it ends where the host begins.
	begin := strings.Index(given, "//") + len("//")
	authority := given[begin:]
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	from, to := strings.IndexByte(authority, ':')+1, strings.LastIndexByte(authority, '@')
	return given[:begin+from] + masked + given[begin+to:]
}

// setAddress takes a URL; one with a password is a credential.
func (c *Connection) setAddress(o *OptionValue, setting *string) error {
	given, err := o.text()
	if err != nil {
		return err
	}
	c.Credentials.Address = ""
	u, err := url.Parse(given)
	if err != nil { // the seed list of mongodb:// is no URL; its form is checked by the driver
		u = nil
		if at := strings.LastIndex(given, "@"); at >= 0 {
			return o.bad("a URL; write the password with %%XX for its special characters")
		}
	}
	*setting = given
	if u == nil || u.User == nil {
		return nil
	}
	if password, has := u.User.Password(); has {
		if password == masked {
			return o.bad("the whole URL: *** stands for a password that is not shown")
		}
		*setting, c.Credentials.Address = MaskURL(given), given
	}
	return nil
}

// setCredential takes a secret text; as it is shown it stands for what is stored.
func setCredential(o *OptionValue, field *string) error {
	given, err := o.text()
	switch {
	case err != nil:
		return err
	case given == masked && *field == "":
		return o.bad("the %s itself: *** stands for one that is not shown", o.Name)
	case given != masked:
		*field = given
	}
	return nil
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
	{"url", "nats redis", func(c *Connection, o *OptionValue) error { return c.setURL(o) }},
	{"uri", "mongodb", func(c *Connection, o *OptionValue) error {
		if err := c.setAddress(o, &c.Settings.URI); err != nil {
			return err
		}
		a := c.Address()
		if !strings.HasPrefix(a, "mongodb://") && !strings.HasPrefix(a, "mongodb+srv://") {
			return o.bad("a mongodb:// or mongodb+srv:// URI")
		}
		if strings.HasPrefix(a, "mongodb://") { // the other form asks a name server
			if err := mongooptions.Client().ApplyURI(a).Validate(); err != nil {
				return o.bad("a mongodb:// or mongodb+srv:// URI").WithDetail("%s", err.Error())
			}
		}
		return nil
	}},
	{"base_url", "webhook", func(c *Connection, o *OptionValue) error {
		err := c.setAddress(o, &c.Settings.BaseURL)
		if err == nil {
			err = checkURL(c.Address(), false, o)
		}
		return err
	}},
	{"username", "kafka nats redis", func(c *Connection, o *OptionValue) (err error) { c.Settings.Username, err = o.text(); return err }},
	{"password", "kafka nats redis", func(c *Connection, o *OptionValue) error { return setCredential(o, &c.Credentials.Password) }},
	{"token", "nats", func(c *Connection, o *OptionValue) error { return setCredential(o, &c.Credentials.Token) }},
	{"tls", "kafka nats redis", func(c *Connection, o *OptionValue) (err error) { c.Settings.TLS, err = o.boolean(); return err }},
	{"ca", "kafka nats redis webhook", func(c *Connection, o *OptionValue) (err error) {
		if c.Settings.CA, err = o.text(); err == nil && !x509.NewCertPool().AppendCertsFromPEM([]byte(c.Settings.CA)) {
			err = o.bad("certificates in PEM form, which begin with -----BEGIN CERTIFICATE-----")
		}
		return err
	}},
	{"client_id", "kafka", func(c *Connection, o *OptionValue) (err error) { c.Settings.ClientID, err = o.text(); return err }},
	{"headers", "webhook", (*Connection).setHeaders},
	{"secret", "webhook", func(c *Connection, o *OptionValue) error {
		var s Spec
		if err := setSecret(&s, o); err != nil {
			return err
		}
		switch {
		case len(s.Secrets) > 0:
			c.Credentials.Secret = s.Secrets[0].Key
		case c.Credentials.Secret == "":
			return o.bad("'whsec_' and the base64 form of 24 to 64 bytes")
		}
		return nil
	}},
}

// connectionKinds maps the kinds to the targets that they serve.
var connectionKinds = map[string][]TargetKind{
	"kafka": {TargetKafka}, "nats": {TargetNATS}, "redis": {TargetRedis, TargetRedisChannel}, "webhook": {TargetWebhook}, "mongodb": {TargetCollection},
}

func (c *Connection) setOption(o *OptionValue) error {
	i := slices.IndexFunc(connectionOptions, func(k connectionOption) bool {
		return k.name == o.Name && slices.Contains(strings.Fields(k.kinds), c.Kind)
	})
	switch {
	case i >= 0 && o.Value.IsNullish():
		return c.unset(o.Name)
	case i >= 0:
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

// unset takes an option away, which is a field of that name.
func (c *Connection) unset(option string) error {
	if option == "url" || option == "base_url" || option == "uri" {
		c.Credentials.Address = ""
	}
	var settings Settings
	var credentials Credentials
	for to, from := range map[any]any{&settings: c.Settings, &credentials: c.Credentials} {
		var fields bson.M
		if err := bson.Unmarshal(marshal(from), &fields); err != nil {
			return err
		}
		delete(fields, option)
		if err := bson.Unmarshal(marshal(fields), to); err != nil {
			return err
		}
	}
	c.Settings, c.Credentials = settings, credentials
	return nil
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
	case "mongodb":
		need, missing = "uri", c.Settings.URI == ""
	}
	if missing {
		return sqlerr.New(sqlerr.InvalidParameterValue, "a %s connection needs the option %q", strings.ToUpper(c.Kind), need).At(pos)
	}
	return nil
}

// masked gives all options for show, secrets masked.
func (c *Connection) masked() bson.D {
	var d bson.D
	shown := c.Settings
	shown.Headers = maskedHeaders(c.Headers())
	if err := bson.Unmarshal(marshal(shown), &d); err != nil {
		return nil
	}
	for _, s := range []struct{ name, value string }{{"password", c.Credentials.Password}, {"token", c.Credentials.Token}, {"secret", c.Credentials.Secret}} {
		if s.value != "" {
			d = append(d, bson.E{Key: s.name, Value: masked})
		}
	}
	return d
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
	if err = m.vault.open(c.Sealed, connectionID(db, name), &c.Credentials); err != nil {
		err = fmt.Errorf("connection %s: %w", name, err)
	}
	return c, err
}

// urlSchemes are those that the clients of brokers understand.
var urlSchemes = map[string][]string{"nats": {"nats", "tls", "ws", "wss"}, "redis": {"redis", "rediss", "unix"}}

// setURL takes the url of a broker.
func (c *Connection) setURL(o *OptionValue) error {
	if err := c.setAddress(o, &c.Settings.URL); err != nil {
		return err
	}
	u, err := url.Parse(c.Address())
	if allowed := urlSchemes[c.Kind]; err != nil || !slices.Contains(allowed, u.Scheme) {
		return o.bad("a URL that begins with %s://", strings.Join(allowed, "://, "))
	}
	return nil
}

// ShowCreate prints the statement that makes the connection, secrets masked.
func (c *Connection) ShowCreate() string {
	var parts []string
	for _, e := range c.masked() {
		var text string
		switch v := e.Value.(type) {
		case string:
			text = quote(v)
		case bool:
			text = showBool(v)
		case bson.A:
			items := make([]string, len(v))
			for i, x := range v {
				items[i] = fmt.Sprint(x)
			}
			text = showList(items)
		default:
			text = showMap(maskedHeaders(c.Headers()))
		}
		parts = append(parts, "\n  "+e.Key+" = "+text)
	}
	s := "CREATE CONNECTION " + ast.QuoteIdent(c.Name) + " TO " + strings.ToUpper(c.Kind) + " (" + strings.Join(parts, ",") + "\n)"
	if c.Comment != "" {
		s += ";\nCOMMENT ON CONNECTION " + ast.QuoteIdent(c.Name) + " IS " + quote(c.Comment)
	}
	return s
}
