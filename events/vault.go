package events

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
)

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

// has tells whether there is a key.
func (v *vault) has() bool { return v.aead != nil }

// seal encrypts the BSON form of secrets; the name binds the result to what they are of.
func (v *vault) seal(secrets any, name string) ([]byte, error) {
	if !v.has() {
		return nil, errNoKey
	}
	nonce := make([]byte, v.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return v.aead.Seal(nonce, nonce, marshal(secrets), []byte(name)), nil
}

// open decrypts what seal made; where there is nothing, secrets stays as it is.
func (v *vault) open(sealed []byte, name string, secrets any) error {
	if len(sealed) == 0 {
		return nil
	}
	if !v.has() {
		return errNoKey
	}
	if len(sealed) < v.aead.NonceSize() {
		return errors.New("the stored credentials are damaged")
	}
	plain, err := v.aead.Open(nil, sealed[:v.aead.NonceSize()], sealed[v.aead.NonceSize():], []byte(name))
	if err != nil {
		return errors.New("the stored credentials do not open with this gateway's key")
	}
	return bson.Unmarshal(plain, secrets)
}
