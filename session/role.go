package session

import (
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/parser/ast"
	"weir/sqlerr"
)

// Roles that may log in are users of the engine or of the MongoDB behind it, in
// its database admin, where the gateway looks for them. MongoDB knows no users
// without a password, and no groups of users.

// userDatabase is where MongoDB keeps the users.
const userDatabase = "admin"

// manageUsers runs a command of MongoDB's user management.
func (s *Session) manageUsers(ctx context.Context, name string, cmd bson.D) (bson.Raw, error) {
	raw, err := bson.Marshal(cmd)
	if err != nil {
		return nil, err
	}
	reply, err := s.access.Store.Command(ctx, userDatabase, raw)
	var m *mongoerr.Error
	if !errors.As(err, &m) {
		return reply, err
	}
	switch m.Code {
	case mongoerr.UserNotFound:
		return nil, noRole(name).Because(err)
	case userExists:
		return nil, sqlerr.New(sqlerr.DuplicateObject, "role \"%s\" already exists", name).Because(err)
	case mongoerr.Unauthorized:
		return nil, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied to manage roles").Because(err).
			WithHint("This needs MongoDB's role root or userAdminAnyDatabase.")
	}
	return nil, err
}

const userExists = 51003

func noRole(name string) *sqlerr.Error {
	return sqlerr.New(sqlerr.UndefinedObject, "role \"%s\" does not exist", name)
}

// roleStatement runs a statement about roles. It takes effect at once, also in a block.
func (s *Session) roleStatement(ctx context.Context, stmt ast.Statement) (string, error) {
	if err := s.writable(ddlCommand(stmt)); err != nil {
		return "", err
	}
	switch x := stmt.(type) {
	case *ast.CreateRole:
		return s.createRole(ctx, x)
	case *ast.AlterRole:
		return s.alterRole(ctx, x)
	case *ast.DropRole:
		return s.dropRole(ctx, x)
	case *ast.Grant:
		return s.grant(ctx, x)
	}
	return s.grantRole(ctx, stmt.(*ast.GrantRole))
}

// roleChange is what the options of CREATE and ALTER ROLE ask for.
type roleChange struct {
	login    bool
	password string
	grant    []string // built-in roles of MongoDB
	revoke   []string
	in       []ast.Ident
}

// flagRoles are the attributes that a built-in role of MongoDB gives.
var flagRoles = map[string]string{"superuser": "root", "createrole": "userAdminAnyDatabase"}

func (c *roleChange) option(o *ast.RoleOption) error {
	switch o.Name {
	case "login":
		c.login = !o.No
	case "password":
		text, ok := o.Value.(*ast.StringLiteral)
		switch {
		case !ok || text.Value == "":
			return sqlerr.Unsupported(o.Pos(), "Give it a password.", "a role without a password is not supported")
		case strings.HasPrefix(text.Value, "SCRAM-SHA-256$") || len(text.Value) == 35 && strings.HasPrefix(text.Value, "md5"):
			return sqlerr.Unsupported(o.Pos(), "Give the password itself: MongoDB derives what it keeps.", "a password that is encrypted already is not supported")
		}
		c.password = text.Value
	case "superuser", "createrole":
		if o.No {
			c.revoke = append(c.revoke, flagRoles[o.Name])
		} else {
			c.grant = append(c.grant, flagRoles[o.Name])
		}
	case "inherit":
		if o.No {
			return sqlerr.Unsupported(o.Pos(), "", "NOINHERIT is not supported")
		}
	case "in role":
		c.in = append(c.in, o.Roles...)
	default:
		if !o.No {
			return sqlerr.Unsupported(o.Pos(), "MongoDB's users have a password and built-in roles.", "the role option %s is not supported", strings.ToUpper(o.Name))
		}
	}
	return nil
}

func (s *Session) createRole(ctx context.Context, stmt *ast.CreateRole) (string, error) {
	name := stmt.Name.Name
	switch {
	case strings.HasPrefix(name, "pg_"):
		return "", sqlerr.New(sqlerr.ReservedName, "role name \"%s\" is reserved", name).WithDetail("Role names starting with \"pg_\" are reserved.")
	case name == "public" || name == "none":
		return "", sqlerr.New(sqlerr.ReservedName, "role name \"%s\" is reserved", name).At(stmt.Name.Pos())
	}
	c := &roleChange{login: stmt.User}
	for _, o := range stmt.Options {
		if err := c.option(o); err != nil {
			return "", err
		}
	}
	if !c.login || c.password == "" {
		return "", sqlerr.Unsupported(stmt.Pos(), "CREATE USER name PASSWORD '…', and GRANT to each user.",
			"MongoDB has no roles without a login and a password")
	}
	roles, err := s.rolesNamed(c.in)
	if err != nil {
		return "", err
	}
	for _, r := range c.grant {
		roles = append(roles, bson.D{{Key: "role", Value: r}, {Key: "db", Value: userDatabase}})
	}
	_, err = s.manageUsers(ctx, name, bson.D{{Key: "createUser", Value: name}, {Key: "pwd", Value: c.password}, {Key: "roles", Value: append(bson.A{}, roles...)}})
	return "CREATE ROLE", err
}

func (s *Session) alterRole(ctx context.Context, stmt *ast.AlterRole) (string, error) {
	if stmt.All || stmt.Set != nil || stmt.Reset != nil || !stmt.Database.IsZero() {
		return "", sqlerr.Unsupported(stmt.Pos(), "Set parameters in the session, or by the client's options.", "settings of roles are not supported")
	}
	name, c := s.roleName(stmt.Name), &roleChange{login: true}
	for _, o := range stmt.Options {
		if err := c.option(o); err != nil {
			return "", err
		}
	}
	if !c.login || c.in != nil {
		return "", sqlerr.Unsupported(stmt.Pos(), "DROP ROLE takes the user away.", "MongoDB's users can log in")
	}
	if c.password != "" {
		if _, err := s.manageUsers(ctx, name, bson.D{{Key: "updateUser", Value: name}, {Key: "pwd", Value: c.password}}); err != nil {
			return "", err
		}
	}
	for _, list := range []struct {
		revoke bool
		roles  []string
	}{{false, c.grant}, {true, c.revoke}} {
		var roles bson.A
		for _, r := range list.roles {
			roles = append(roles, bson.D{{Key: "role", Value: r}, {Key: "db", Value: userDatabase}})
		}
		if err := s.grantRoles(ctx, name, roles, list.revoke); err != nil {
			return "", err
		}
	}
	return "ALTER ROLE", nil
}

// known refuses the first of some roles that does not exist, before any is changed.
func (s *Session) known(ctx context.Context, roles []ast.Ident) error {
	for _, id := range roles {
		if _, err := s.rolesOf(ctx, s.roleName(id), ""); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) dropRole(ctx context.Context, stmt *ast.DropRole) (string, error) {
	for _, id := range stmt.Names {
		if s.roleName(id) == s.start.User {
			return "", sqlerr.New(sqlerr.ObjectInUse, "current user cannot be dropped")
		}
	}
	if !stmt.IfExists {
		if err := s.known(ctx, stmt.Names); err != nil {
			return "", err
		}
	}
	for _, id := range stmt.Names {
		name := s.roleName(id)
		_, err := s.manageUsers(ctx, name, bson.D{{Key: "dropUser", Value: name}})
		if err != nil && stmt.IfExists && sqlerr.As(err).Code == sqlerr.UndefinedObject {
			s.notice(sqlerr.Notice("NOTICE", sqlerr.SuccessfulCompletion, "role \"%s\" does not exist, skipping", name))
			continue
		}
		if err != nil {
			return "", err
		}
	}
	return "DROP ROLE", nil
}

// roleName reads CURRENT_USER and the like as the session's.
func (s *Session) roleName(id ast.Ident) string {
	if !id.Quoted && (id.Name == "current_user" || id.Name == "current_role" || id.Name == "session_user") {
		return s.start.User
	}
	return id.Name
}
