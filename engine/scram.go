package engine

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/xdg-go/stringprep"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// scramMechanism is one member of the SCRAM family (RFC 5802, RFC 7677).
type scramMechanism struct {
	name       string
	hash       func() hash.Hash
	iterations int
	saltLen    int
	// secret is what the key is derived from.
	secret func(user, password string) (string, error)
}

var scramMechanisms = [...]scramMechanism{
	{name: "SCRAM-SHA-1", hash: sha1.New, iterations: 10000, saltLen: 16, secret: digestPassword},
	{name: "SCRAM-SHA-256", hash: sha256.New, iterations: 15000, saltLen: 28, secret: preparePassword},
}

func scramMechanismOf(name string) *scramMechanism {
	for i := range scramMechanisms {
		if scramMechanisms[i].name == name {
			return &scramMechanisms[i]
		}
	}
	return nil
}

// digestPassword is the form in which SCRAM-SHA-1 uses passwords here.
func digestPassword(user, password string) (string, error) {
	sum := md5.Sum([]byte(user + ":mongo:" + password))
	return hex.EncodeToString(sum[:]), nil
}

func preparePassword(_, password string) (string, error) {
	return stringprep.SASLprep.Prepare(password)
}

// credential is what is stored of a password.
type credential struct {
	iterations           int
	salt                 string // base64
	storedKey, serverKey []byte
}

// derive makes a new credential with a fresh salt.
func (m *scramMechanism) derive(user, password string) (credential, error) {
	secret, err := m.secret(user, password)
	if err != nil {
		return credential{}, err
	}
	salt := make([]byte, m.saltLen)
	if _, err := rand.Read(salt); err != nil {
		return credential{}, err
	}
	salted, err := pbkdf2.Key(m.hash, secret, salt, m.iterations, m.hash().Size())
	if err != nil {
		return credential{}, err
	}
	return credential{iterations: m.iterations, salt: base64.StdEncoding.EncodeToString(salt),
		storedKey: m.sum(m.mac(salted, "Client Key")), serverKey: m.mac(salted, "Server Key")}, nil
}

func (m *scramMechanism) mac(key []byte, text string) []byte {
	h := hmac.New(m.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (m *scramMechanism) sum(b []byte) []byte {
	h := m.hash()
	h.Write(b)
	return h.Sum(nil)
}

// document is the credential as it stands in system.users.
func (c credential) document() bson.D {
	return bson.D{{Key: "iterationCount", Value: int32(c.iterations)}, {Key: "salt", Value: c.salt},
		{Key: "storedKey", Value: base64.StdEncoding.EncodeToString(c.storedKey)},
		{Key: "serverKey", Value: base64.StdEncoding.EncodeToString(c.serverKey)}}
}

func decodeCredential(v value.Value) (credential, bool) {
	if !v.IsDocument() {
		return credential{}, false
	}
	d := v.Doc()
	stored, err1 := base64.StdEncoding.DecodeString(value.Lookup(d, "storedKey").Str())
	server, err2 := base64.StdEncoding.DecodeString(value.Lookup(d, "serverKey").Str())
	c := credential{iterations: int(value.Lookup(d, "iterationCount").AsInt64()),
		salt: strings.Clone(value.Lookup(d, "salt").Str()), storedKey: stored, serverKey: server}
	return c, err1 == nil && err2 == nil && c.iterations > 0
}

// conversation is a login on its way.
type conversation struct {
	mech      *scramMechanism
	user, db  string
	skipEmpty bool // the client wants no empty last exchange
	cred      credential
	nonce     string
	first     string // what both sides have said so far
	proven    bool
}

var errScram = errors.New("malformed SCRAM message")

// clientFirst reads "n,,n=user,r=nonce" and gives user name and nonce.
func clientFirst(payload []byte) (bare, user, nonce string, err error) {
	s := string(payload)
	parts := strings.SplitN(s, ",", 3)
	if len(parts) < 3 || parts[0] != "n" && parts[0] != "y" {
		return "", "", "", errScram
	}
	bare = parts[2]
	name, rest, ok := strings.Cut(bare, ",")
	if !ok || !strings.HasPrefix(name, "n=") || !strings.HasPrefix(rest, "r=") {
		return "", "", "", errScram
	}
	user = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(name[2:])
	nonce, _, _ = strings.Cut(rest[2:], ",")
	if user == "" || nonce == "" {
		return "", "", "", errScram
	}
	return bare, user, nonce, nil
}

// serverFirst answers the client's first message.
func (c *conversation) serverFirst(bare, clientNonce string) ([]byte, error) {
	var more [18]byte
	if _, err := rand.Read(more[:]); err != nil {
		return nil, err
	}
	c.nonce = clientNonce + base64.StdEncoding.EncodeToString(more[:])
	reply := fmt.Sprintf("r=%s,s=%s,i=%d", c.nonce, c.cred.salt, c.cred.iterations)
	c.first = bare + "," + reply
	return []byte(reply), nil
}

// serverFinal checks the client's proof and answers with the server's.
func (c *conversation) serverFinal(payload []byte) ([]byte, error) {
	noProof, proof64, ok := strings.Cut(string(payload), ",p=")
	if !ok || !strings.HasPrefix(noProof, "c=") {
		return nil, errScram
	}
	_, nonce, _ := strings.Cut(noProof, ",r=")
	if nonce != c.nonce {
		return nil, errScram
	}
	proof, err := base64.StdEncoding.DecodeString(proof64)
	if err != nil || len(proof) != len(c.cred.storedKey) {
		return nil, errScram
	}
	said := c.first + "," + noProof
	signature := c.mech.mac(c.cred.storedKey, said)
	subtle.XORBytes(proof, proof, signature)
	if subtle.ConstantTimeCompare(c.mech.sum(proof), c.cred.storedKey) != 1 {
		return nil, errScram
	}
	c.proven = true
	return []byte("v=" + base64.StdEncoding.EncodeToString(c.mech.mac(c.cred.serverKey, said))), nil
}
