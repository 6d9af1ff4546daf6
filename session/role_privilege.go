package session

import (
	"context"

	"weir/catalog"
)

// userNamed finds a user of the store.
func (s *Session) userNamed(name string) *catalog.User {
	for _, u := range s.h.deps.Catalog.Users(context.Background()) {
		if u.Name == name {
			return &u
		}
	}
	return nil
}

// allows tells whether a role has a privilege on what a database holds: the
// user connected unless logins are demanded, others by their roles of MongoDB.
func (s *Session) allows(role, db, privilege string) bool {
	if role == s.start.User && s.access.MayDefine == nil {
		return true
	}
	u := s.userNamed(role)
	if u == nil {
		return role == s.start.User
	}
	switch privilege {
	case "SELECT", "USAGE", "CONNECT", "EXECUTE", "MEMBER":
		return u.Reads(db)
	case "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "CREATE", "TEMP", "TEMPORARY":
		return u.Writes(db)
	}
	return u.Super()
}
