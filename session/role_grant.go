package session

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
	"weir/sqlerr"
)

// databaseRoles and clusterRoles are MongoDB's built-in roles that can be
// granted by their names: of the connected database, and of all.
var (
	databaseRoles = []string{"read", "readWrite", "dbAdmin", "dbOwner", "userAdmin"}
	clusterRoles  = []string{"readAnyDatabase", "readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase", "root", "backup", "restore", "clusterMonitor"}
)

// rolesNamed are MongoDB's roles of names that GRANT gives to users.
func (s *Session) rolesNamed(names []ast.Ident) (bson.A, error) {
	var roles bson.A
	add := func(role, db string) {
		roles = append(roles, bson.D{{Key: "role", Value: role}, {Key: "db", Value: db}})
	}
	writes := slices.ContainsFunc(names, func(id ast.Ident) bool { return id.Name == "pg_write_all_data" })
	for _, id := range names {
		switch {
		case id.Name == "pg_write_all_data":
		case id.Name == "pg_read_all_data" && writes:
			add("readWriteAnyDatabase", userDatabase)
			writes = false
		case id.Name == "pg_read_all_data":
			add("readAnyDatabase", userDatabase)
		case slices.Contains(databaseRoles, id.Text):
			add(id.Text, s.start.Database)
		case slices.Contains(clusterRoles, id.Text):
			add(id.Text, userDatabase)
		default:
			return nil, sqlerr.Unsupported(id.Pos(), "Grant \"read\", \"readWrite\", \"root\" or another built-in role of MongoDB, pg_read_all_data, or privileges.",
				"role \"%s\" cannot be granted: MongoDB has no groups of users", id.Text)
		}
	}
	if writes {
		return nil, sqlerr.Unsupported(names[0].Pos(), "Grant pg_read_all_data, too.", "MongoDB has no role that writes without reading")
	}
	return roles, nil
}

// grantRoles gives roles of MongoDB to a user, or takes them away.
func (s *Session) grantRoles(ctx context.Context, name string, roles bson.A, revoke bool) error {
	if len(roles) == 0 {
		return nil
	}
	command := "grantRolesToUser"
	if revoke {
		command = "revokeRolesFromUser"
	}
	_, err := s.manageUsers(ctx, name, bson.D{{Key: command, Value: name}, {Key: "roles", Value: roles}})
	return err
}

// grantRole is GRANT role, … TO user, …, and REVOKE.
func (s *Session) grantRole(ctx context.Context, stmt *ast.GrantRole) (string, error) {
	if stmt.OptionFor || stmt.WithOption {
		return "", sqlerr.Unsupported(stmt.Pos(), "Grant userAdminAnyDatabase to who shall grant roles.", "ADMIN OPTION is not supported")
	}
	roles, err := s.rolesNamed(stmt.Granted)
	if err != nil {
		return "", err
	}
	if err := s.known(ctx, stmt.Roles); err != nil {
		return "", err
	}
	for _, id := range stmt.Roles {
		if err := s.grantRoles(ctx, s.roleName(id), roles, stmt.Revoke); err != nil {
			return "", err
		}
	}
	return grantTag(stmt.Revoke) + " ROLE", nil
}

// grant is GRANT privileges ON … TO user, …, and REVOKE.
func (s *Session) grant(ctx context.Context, stmt *ast.Grant) (string, error) {
	tag := grantTag(stmt.Revoke)
	if stmt.OptionFor || stmt.WithOption {
		return "", sqlerr.Unsupported(stmt.Pos(), "Grant userAdminAnyDatabase to who shall grant privileges.", "GRANT OPTION is not supported")
	}
	if !stmt.InSchema || stmt.Kind != ast.KindTable {
		return s.grantOther(stmt, tag)
	}
	change, err := tableChange(stmt)
	if err != nil {
		return "", err
	}
	var dbs []string
	for _, n := range stmt.Names {
		schema := n.Last().Name
		if !s.scoped().HasSchema(ctx, schema) {
			return "", sqlerr.New(sqlerr.InvalidSchemaName, "schema \"%s\" does not exist", schema).At(n.Pos())
		}
		db := s.scoped().DatabaseOf(schema)
		if db == "" {
			continue // everybody may read the system's schemas
		}
		dbs = append(dbs, db)
	}
	for _, id := range stmt.Roles {
		if id.Name == "public" {
			return "", sqlerr.Unsupported(id.Pos(), "Grant to each user.", "%s for PUBLIC is not supported", tag)
		}
	}
	if err := s.known(ctx, stmt.Roles); err != nil {
		return "", err
	}
	for _, id := range stmt.Roles {
		if err := s.changeTables(ctx, stmt, s.roleName(id), dbs, change); err != nil {
			return "", err
		}
	}
	return tag, nil
}

// changeTables gives a user what the privileges are in MongoDB, or takes it away.
func (s *Session) changeTables(ctx context.Context, stmt *ast.Grant, name string, dbs []string, change tableAccess) error {
	var give, take bson.A
	role := func(r, db string) bson.D { return bson.D{{Key: "role", Value: r}, {Key: "db", Value: db}} }
	for _, db := range dbs {
		has, err := s.rolesOf(ctx, name, db)
		if err != nil {
			return err
		}
		switch writes := slices.Contains(has, "readWrite"); {
		case !stmt.Revoke && change == mayRead:
			give = append(give, role("read", db))
		case !stmt.Revoke && (change == mayBoth || slices.Contains(has, "read") || writes):
			give = append(give, role("readWrite", db))
		case !stmt.Revoke:
			return sqlerr.Unsupported(stmt.Pos(), "Grant SELECT, too.", "MongoDB has no role that writes without reading")
		case change == mayRead && writes:
			return sqlerr.Unsupported(stmt.Pos(), "Revoke all privileges.", "MongoDB has no role that writes without reading")
		case change == mayWrite && writes:
			take, give = append(take, role("readWrite", db)), append(give, role("read", db))
		case change == mayWrite:
		default:
			take = append(take, role("readWrite", db), role("read", db))
		}
	}
	if err := s.grantRoles(ctx, name, give, false); err != nil {
		return err
	}
	return s.grantRoles(ctx, name, take, true)
}

// rolesOf are the roles that a user has of a database.
func (s *Session) rolesOf(ctx context.Context, name, db string) ([]string, error) {
	reply, err := s.manageUsers(ctx, name, bson.D{{Key: "usersInfo", Value: name}})
	if err != nil {
		return nil, err
	}
	var found struct {
		Users []struct{ Roles []struct{ Role, DB string } }
	}
	if err := bson.Unmarshal(reply, &found); err != nil {
		return nil, err
	}
	if len(found.Users) == 0 {
		return nil, noRole(name)
	}
	var out []string
	for _, r := range found.Users[0].Roles {
		if r.DB == db {
			out = append(out, r.Role)
		}
	}
	return out, nil
}

// grantOther is for what MongoDB's built-in roles do not tell apart: databases
// and schemas have no privileges of their own there.
func (s *Session) grantOther(stmt *ast.Grant, tag string) (string, error) {
	switch stmt.Kind {
	case ast.KindDatabase, ast.KindSchema:
		for _, n := range stmt.Names {
			s.notice(sqlerr.Notice("WARNING", noPrivileges, "no privileges were granted for \"%s\"", n.Last().Name).
				WithHint("Who may read or write the tables of a schema may use it: GRANT SELECT ON ALL TABLES IN SCHEMA."))
		}
		return tag, nil
	}
	return "", sqlerr.Unsupported(stmt.Pos(), "MongoDB's built-in roles are for whole databases: GRANT … ON ALL TABLES IN SCHEMA.", "%s on single objects is not supported", tag)
}

// noPrivileges is the SQLSTATE of a GRANT without effect.
const noPrivileges = "01007"

// tableAccess is what MongoDB's built-in roles tell apart.
type tableAccess uint8

const (
	mayRead  tableAccess = iota // read
	mayWrite                    // readWrite without read
	mayBoth                     // readWrite
)

// tableChange is what the privileges are in MongoDB.
func tableChange(stmt *ast.Grant) (tableAccess, error) {
	has := map[string]bool{}
	for _, p := range stmt.Privileges {
		if p.Columns != nil {
			return 0, sqlerr.Unsupported(p.Pos(), "Grant on whole tables.", "privileges on columns are not supported")
		}
		has[p.Name] = true
	}
	switch writes := has["INSERT"] && has["UPDATE"] && has["DELETE"]; {
	case stmt.AllOf, writes && has["SELECT"]:
		return mayBoth, nil
	case writes:
		return mayWrite, nil
	case len(has) == 1 && has["SELECT"]:
		return mayRead, nil
	}
	return 0, sqlerr.Unsupported(stmt.Pos(), "Name SELECT (MongoDB's read), or INSERT, UPDATE, DELETE together (readWrite).",
		"these privileges cannot be told apart by MongoDB's built-in roles")
}
