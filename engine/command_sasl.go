package engine

import (
	"context"
	"encoding/base64"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// login is who a connection is.
type login struct {
	user, db string
	roles    []roleRef
	version  int64 // of the users when roles was read
}

func authFailed() *mongoerr.Error {
	return mongoerr.New(mongoerr.AuthenticationFailed, "Authentication failed.")
}

// saslPayload reads the payload of saslStart and saslContinue.
func (r *request) saslPayload(cmd bson.Raw, command string) ([]byte, error) {
	v := value.Lookup(cmd, "payload")
	switch {
	case v.IsMissing():
		return nil, mongoerr.New(40414, "BSON field '%s.payload' is missing but a required field", command)
	case v.Kind() == bson.TypeBinary:
		_, b := v.AsBinary()
		return b, nil
	case v.IsString():
		b, err := base64.StdEncoding.DecodeString(v.Str())
		if err != nil {
			return nil, mongoerr.New(mongoerr.FailedToParse, "invalid base64")
		}
		return b, nil
	}
	return nil, mongoerr.New(mongoerr.BadValue, "Invalid SASLPayload type. Expected Base64 or BinData, got: %s", value.TypeName(v.Kind()))
}

func cmdSaslStart(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	return r.saslStart(ctx, r.cmd, r.db, dst)
}

// saslStart begins a login and appends the reply's fields.
func (r *request) saslStart(ctx context.Context, cmd bson.Raw, db string, dst []byte) ([]byte, error) {
	r.s.conversation = nil
	mechanism := value.Lookup(cmd, "mechanism")
	if mechanism.IsMissing() {
		return dst, mongoerr.New(40414, "BSON field 'saslStart.mechanism' is missing but a required field")
	}
	if !mechanism.IsString() {
		return dst, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'saslStart.mechanism' is the wrong type '%s', expected type 'string'", value.TypeName(mechanism.Kind()))
	}
	payload, err := r.saslPayload(cmd, "saslStart")
	if err != nil {
		return dst, err
	}
	m := scramMechanismOf(mechanism.Str())
	if m == nil {
		return dst, mongoerr.New(334, "Received authentication for mechanism %s which is unknown or not enabled", mechanism.Str())
	}
	bare, user, nonce, err := clientFirst(payload)
	if err != nil {
		return dst, authFailed()
	}
	doc, err := r.e.findUser(ctx, user, db)
	if err != nil {
		return dst, err
	}
	if doc == nil {
		return dst, authFailed()
	}
	cred, ok := decodeCredential(lookupPath(doc, "credentials", m.name))
	if !ok {
		return dst, authFailed()
	}
	c := &conversation{mech: m, user: user, db: strings.Clone(db), cred: cred}
	if o := value.Lookup(cmd, "options"); o.IsDocument() {
		c.skipEmpty = value.Lookup(o.Doc(), "skipEmptyExchange").Truthy() && !value.Lookup(o.Doc(), "skipEmptyExchange").IsMissing()
	}
	reply, err := c.serverFirst(bare, nonce)
	if err != nil {
		return dst, err
	}
	r.s.conversation = c
	return appendSasl(dst, false, reply), nil
}

func lookupPath(doc bson.Raw, a, b string) value.Value {
	v := value.Lookup(doc, a)
	if !v.IsDocument() {
		return value.Value{}
	}
	return value.Lookup(v.Doc(), b)
}

func appendSasl(dst []byte, done bool, payload []byte) []byte {
	dst = value.AppendElement(dst, "conversationId", value.Int32(1))
	dst = value.AppendElement(dst, "done", value.Bool(done))
	return value.AppendElement(dst, "payload", value.Binary(0, payload))
}

func cmdSaslContinue(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	if value.Lookup(r.cmd, "conversationId").IsMissing() {
		return dst, r.missing("conversationId")
	}
	payload, err := r.saslPayload(r.cmd, "saslContinue")
	if err != nil {
		return dst, err
	}
	c := r.s.conversation
	if c == nil {
		return dst, mongoerr.New(mongoerr.ProtocolError, "No SASL session state found")
	}
	if value.Lookup(r.cmd, "conversationId").AsInt64() != 1 {
		return dst, mongoerr.New(mongoerr.ProtocolError, "sasl: Mismatched conversation id")
	}
	if !c.proven {
		reply, err := c.serverFinal(payload)
		if err != nil {
			r.s.conversation = nil
			return dst, authFailed()
		}
		if !c.skipEmpty {
			return appendSasl(dst, false, reply), nil
		}
		return appendSasl(dst, true, reply), r.loggedIn(ctx, c)
	}
	return appendSasl(dst, true, nil), r.loggedIn(ctx, c)
}

func (r *request) loggedIn(ctx context.Context, c *conversation) error {
	r.s.conversation = nil
	l := &login{user: c.user, db: c.db}
	if err := r.e.loadRoles(ctx, l); err != nil {
		return err
	}
	r.s.login = l
	return nil
}

// cmdAuthenticate is the command of X.509, which needs a client certificate.
func cmdAuthenticate(_ context.Context, r *request, dst []byte) ([]byte, error) {
	m := value.Lookup(r.cmd, "mechanism")
	switch {
	case m.IsString() && m.Str() == "MONGODB-X509" && value.Lookup(r.cmd, "user").IsMissing():
		return dst, mongoerr.New(mongoerr.AuthenticationFailed, "No user name provided")
	case m.IsString() && m.Str() == "MONGODB-X509":
		return dst, authFailed()
	}
	return dst, mongoerr.New(334, "Received authentication for mechanism %s which is unknown or not enabled", m)
}

func cmdLogout(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if r.s != nil && r.s.login != nil && r.s.login.db == r.db {
		r.s.login = nil
	}
	return dst, nil
}

// appendHelloAuth answers what hello asks about logging in.
func (r *request) appendHelloAuth(ctx context.Context, dst []byte) ([]byte, error) {
	if v := value.Lookup(r.cmd, "saslSupportedMechs"); v.IsString() {
		db, user, ok := strings.Cut(v.Str(), ".")
		if !ok {
			return dst, mongoerr.New(mongoerr.BadValue, "UserName must contain a '.' separated database.user pair")
		}
		doc, err := r.e.findUser(ctx, user, db)
		if err != nil {
			return dst, err
		}
		if doc != nil {
			dst = value.AppendHeader(dst, bson.TypeArray, "saslSupportedMechs")
			dst = append(dst, mechanismsOf(doc)...)
		}
	}
	v := value.Lookup(r.cmd, "speculativeAuthenticate")
	if !v.IsDocument() || r.s == nil || value.Lookup(v.Doc(), "saslStart").IsMissing() {
		return dst, nil
	}
	db := value.Lookup(v.Doc(), "db")
	if !db.IsString() {
		return dst, nil
	}
	start, reply := value.BeginDocument(nil)
	reply, err := r.saslStart(ctx, v.Doc(), db.Str(), reply)
	if err != nil {
		return dst, nil // a failed speculation is no error of hello
	}
	return value.AppendElement(dst, "speculativeAuthenticate", value.Document(value.EndDocument(reply, start))), nil
}

// mechanismsOf is the array of the mechanisms that a user has credentials for.
func mechanismsOf(user bson.Raw) bson.Raw {
	start, arr := value.BeginDocument(nil)
	creds := value.Lookup(user, "credentials")
	if creds.IsDocument() {
		n := 0
		for it := value.Walk(creds.Doc()); it.Next(); n++ {
			arr = value.AppendItem(arr, n, value.String(it.Key()))
		}
	}
	return value.EndDocument(arr, start)
}
