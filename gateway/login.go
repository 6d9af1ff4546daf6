package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/session"
	"weir/sqlerr"
	"weir/store"
)

// login checks PostgreSQL users against the users of the store: those of the
// database admin first, then those of the database they connect to. What they
// may do follows from their roles there, as they were when they connected.
type login struct {
	store  store.Store
	secret []byte // makes up credentials of users that do not exist
}

func newLogin(s store.Store) (*login, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	return &login{store: s, secret: secret}, nil
}

// storedUser is a user as usersInfo shows it.
type storedUser struct {
	Credentials map[string]struct {
		IterationCount             int
		Salt, StoredKey, ServerKey string
	}
	Roles, InheritedRoles []struct{ Role, DB string }
}

// find looks a user up; nil when there is none.
func (l *login) find(ctx context.Context, user, database string) (*storedUser, error) {
	for _, db := range []string{"admin", database} {
		cmd, err := bson.Marshal(bson.D{{Key: "usersInfo", Value: bson.D{{Key: "user", Value: user}, {Key: "db", Value: db}}},
			{Key: "showCredentials", Value: true}, {Key: "showPrivileges", Value: true}})
		if err != nil {
			return nil, err
		}
		reply, err := l.store.Command(ctx, db, cmd)
		if err != nil {
			return nil, err
		}
		var found struct{ Users []storedUser }
		if err := bson.Unmarshal(reply, &found); err != nil {
			return nil, fmt.Errorf("read user %q: %w", user, err)
		}
		if len(found.Users) > 0 {
			return &found.Users[0], nil
		}
	}
	return nil, nil
}

// has is session.Options.HasRole. Users of other databases log in there, and may use
// what this one has. Where the store does not tell of these, any name may be one.
func (l *login) has(ctx context.Context, user, database string) (bool, error) {
	if u, err := l.find(ctx, user, database); u != nil || err != nil {
		return u != nil, err
	}
	cmd, err := bson.Marshal(bson.D{{Key: "usersInfo", Value: bson.D{{Key: "forAllDBs", Value: true}}}, {Key: "filter", Value: bson.D{{Key: "user", Value: user}}}})
	if err != nil {
		return false, err
	}
	reply, err := l.store.Command(ctx, "admin", cmd)
	if mongoerr.CodeOf(err) == mongoerr.Unauthorized {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var found struct{ Users []bson.Raw }
	if err := bson.Unmarshal(reply, &found); err != nil {
		return false, fmt.Errorf("read user %q: %w", user, err)
	}
	return len(found.Users) > 0, nil
}

// credentials is session.Options.Credentials.
func (l *login) credentials(ctx context.Context, user, database string) (*scram.StoredCredentials, error) {
	u, err := l.find(ctx, user, database)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return l.madeUp(user), nil
	}
	c, ok := u.Credentials["SCRAM-SHA-256"]
	if !ok {
		return l.madeUp(user), nil
	}
	salt, err1 := base64.StdEncoding.DecodeString(c.Salt)
	stored, err2 := base64.StdEncoding.DecodeString(c.StoredKey)
	server, err3 := base64.StdEncoding.DecodeString(c.ServerKey)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("read the credentials of user %q: %w", user, err)
	}
	return &scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(salt), Iters: c.IterationCount}, StoredKey: stored, ServerKey: server}, nil
}

// madeUp are credentials that no password fits, and that stay the same for a name.
func (l *login) madeUp(user string) *scram.StoredCredentials {
	derive := func(what string) []byte {
		h := hmac.New(sha256.New, l.secret)
		h.Write([]byte(what + "\x00" + user))
		return h.Sum(nil)
	}
	return &scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(derive("salt")[:28]), Iters: 15000}, StoredKey: derive("stored"), ServerKey: derive("server")}
}

// authorize is session.Options.Authorize.
func (l *login) authorize(ctx context.Context, user, database string) (session.Access, error) {
	u, err := l.find(ctx, user, database)
	if err != nil {
		return session.Access{}, err
	}
	if u == nil {
		return session.Access{}, sqlerr.New(sqlerr.InvalidPassword, "password authentication failed for user \"%s\"", user)
	}
	r := rights{}
	for _, role := range append(u.Roles, u.InheritedRoles...) {
		r.add(role.Role, role.DB)
	}
	if !r.may(reads, database) {
		return session.Access{}, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for database \"%s\"", database).
			WithHint("The user needs the role read or readWrite on the database; grant it with grantRolesToUser.")
	}
	a := session.Access{Store: &guarded{Store: l.store, rights: r}}
	a.May = func(db string, write bool) error {
		what, role := reads, "read"
		if write {
			what, role = writes, "readWrite"
		}
		if r.may(what, db) {
			return nil
		}
		return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for database \"%s\"", db).
			WithHint("The user needs the role %s on the database; grant it with grantRolesToUser.", role)
	}
	if !r.may(writes, "") {
		a.MayDefine = func(elsewhere bool) error {
			if elsewhere || !r.may(writes, database) {
				return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for database \"%s\"", database).
					WithHint("This needs the role readWrite on every database that it names.")
			}
			return nil
		}
	}
	return a, nil
}

// rights are what roles give by database; "" stands for all databases.
type rights map[string]right

type right uint8

const (
	reads right = 1 << iota
	writes
	manages // users and their roles
)

func (r rights) add(role, db string) {
	switch role {
	case "read":
		r[db] |= reads
	case "readWrite", "dbOwner":
		r[db] |= reads | writes
	}
	if db != "admin" {
		return
	}
	switch role {
	case "readAnyDatabase", "backup":
		r[""] |= reads
	case "readWriteAnyDatabase":
		r[""] |= reads | writes
	case "root":
		r[""] |= reads | writes | manages
	case "userAdminAnyDatabase", "userAdmin", "dbOwner":
		r[""] |= manages
	}
}

func (r rights) may(what right, db string) bool { return (r[""]|r[db])&what != 0 }

// refused is MongoDB's error for a missing right.
func refused(db, what string) error {
	return mongoerr.New(mongoerr.Unauthorized, "permission denied for database \"%s\" (%s)", db, what)
}
