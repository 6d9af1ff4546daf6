package catalog

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// User is a user of the store's database admin, as roles of SQL show it.
type User struct {
	OID   uint32
	Name  string
	Roles []UserRole
}

// UserRole is a role of MongoDB with its database.
type UserRole struct{ Role, DB string }

// Super tells whether the user may do everything.
func (u *User) Super() bool { return slices.Contains(u.Roles, UserRole{"root", "admin"}) }

// Manages tells whether the user may make others.
func (u *User) Manages() bool { return u.Super() || u.has("userAdminAnyDatabase", "admin") }

// Reads and Writes tell what the user may do with a database.
func (u *User) Reads(db string) bool {
	return u.Writes(db) || u.has("read", db) || u.has("readAnyDatabase", "admin") || u.has("backup", "admin")
}

// Writes tells whether the user may write a database.
func (u *User) Writes(db string) bool {
	return u.Super() || u.has("readWrite", db) || u.has("dbOwner", db) || u.has("readWriteAnyDatabase", "admin")
}

func (u *User) has(role, db string) bool { return slices.Contains(u.Roles, UserRole{role, db}) }

// Users are the users of the store, sorted by name; none where it does not tell.
func (c *Catalog) Users(ctx context.Context) []User {
	var b value.Builder
	b.Add("usersInfo", value.Int32(1))
	reply, err := c.store.Command(ctx, "admin", b.Doc())
	if err != nil {
		c.opts.Log.Debug("catalog: list users", "error", err)
		return nil
	}
	var found struct {
		Users []struct {
			User  string
			Roles []UserRole
		}
	}
	if err := bson.Unmarshal(reply, &found); err != nil {
		return nil
	}
	var out []User
	for _, u := range found.Users {
		out = append(out, User{OID: c.oids.of("role", "", u.User), Name: u.User, Roles: u.Roles})
	}
	slices.SortFunc(out, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// otherUsers are those beside the asking one.
func (r *reader) otherUsers(ctx context.Context) []User {
	return slices.DeleteFunc(r.y.c.Users(ctx), func(u User) bool { return u.Name == r.who.User() })
}
