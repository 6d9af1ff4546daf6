package events

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
)

// usage tells who may use a subscription: read its events, follow, acknowledge,
// test and explain it. Everybody may until it is revoked from PUBLIC; its owner
// always may.
type usage struct {
	Restricted bool     `bson:"restricted,omitempty"` // revoked from PUBLIC
	Roles      []string `bson:"roles,omitempty"`
}

func (s *stored) usableBy(role string) bool {
	return !s.Usage.Restricted || role == s.Spec.CreatedBy || slices.Contains(s.Usage.Roles, role)
}

const public = "public"

func grantTag(n *ast.Grant) string {
	if n.Revoke {
		return "REVOKE"
	}
	return "GRANT"
}

// grant is GRANT | REVOKE USAGE ON EVENT_SUBSCRIPTION name, … TO | FROM role, ….
func (c *call) grant(ctx context.Context, n *ast.Grant) error {
	switch {
	case n.Kind != ast.KindEventSubscription:
		return sqlerr.Unsupported(n.Pos(), "GRANT USAGE ON EVENT_SUBSCRIPTION names who may use a subscription.", "privileges on connections are not supported")
	case n.WithOption || n.OptionFor:
		return sqlerr.Unsupported(n.Pos(), "The owner of a subscription grants its use.", "grant options are not supported")
	}
	for _, p := range n.Privileges {
		if !strings.EqualFold(p.Name, "usage") || p.Columns != nil {
			return sqlerr.New(sqlerr.InvalidGrantOperation, "invalid privilege type %s for event subscription", p.Name).At(p.Pos()).WithHint("The privilege is USAGE.")
		}
	}
	subs := make([]*found, len(n.Names))
	for i, name := range n.Names {
		s, err := c.find(name.Last())
		if err != nil {
			return err
		}
		subs[i] = s
	}
	for _, id := range n.Roles {
		holds := n.Revoke && slices.ContainsFunc(subs, func(s *found) bool { return slices.Contains(s.Usage.Roles, c.role(id)) })
		if strings.EqualFold(id.Name, public) || holds { // by a user who is gone, too
			continue
		}
		if err := c.knownRole(ctx, id); err != nil {
			return err
		}
	}
	for _, s := range subs {
		u := s.Usage
		for _, role := range n.Roles {
			u = u.changed(c.role(role), n.Revoke)
		}
		if _, err := changeDefinition(ctx, c.m.st, bson.D{{Key: "_id", Value: s.ID}}, bson.E{Key: "$set", Value: bson.D{{Key: "usage", Value: u}}}); err != nil {
			return err
		}
	}
	return c.m.adopt(ctx, c.env.Database())
}

// knows is a session that knows which roles there are.
type knows interface {
	HasRole(ctx context.Context, name string) (bool, error)
}

// knownRole refuses a role that does not exist.
func (c *call) knownRole(ctx context.Context, name ast.Ident) error {
	k, ok := c.env.(knows)
	if !ok {
		return nil
	}
	if has, err := k.HasRole(ctx, c.role(name)); has || err != nil {
		return err
	}
	return noRole(name)
}

func noRole(name ast.Ident) error {
	return sqlerr.New(sqlerr.UndefinedObject, "role \"%s\" does not exist", name.Name).At(name.Pos())
}

// role is the role of a name, which may be a word for the session's.
func (c *call) role(name ast.Ident) string {
	if !name.Quoted {
		switch name.Name {
		case "current_user", "current_role", "session_user":
			return c.env.User()
		}
	}
	return name.Name
}

// changed gives the usage after a role was granted or revoked it.
func (u usage) changed(role string, revoke bool) usage {
	if strings.EqualFold(role, public) {
		u.Restricted = revoke
		return u
	}
	u.Roles = slices.DeleteFunc(slices.Clone(u.Roles), func(r string) bool { return r == role })
	if !revoke {
		u.Roles = append(u.Roles, role)
	}
	return u
}

// usable refuses a subscription that the session's role may not use.
func usable(s *found, env catalog.Session, pos int) error {
	if s.usableBy(env.User()) {
		return nil
	}
	return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for event subscription %s", s.Spec.Name).At(pos).
		WithHint("Its owner %s may GRANT USAGE ON EVENT_SUBSCRIPTION %s.", s.Spec.CreatedBy, ast.QuoteIdent(s.Spec.Name))
}

// use finds a subscription that the session's role may use.
func (c *call) use(name ast.Ident) (*found, error) {
	s, err := c.find(name)
	if err != nil {
		return nil, err
	}
	return s, usable(s, c.env, name.Pos())
}

// hidden are the ids of subscriptions whose rows a role may not read.
func (m *Manager) hidden(database, role string) bson.A {
	var ids bson.A
	for _, s := range m.found(database) {
		if !s.usableBy(role) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}
