package engine

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// roleRef names a role of a database.
type roleRef struct{ role, db string }

// right is what a command needs and a role gives, on one database.
type right uint8

const (
	rightRead right = 1 << iota
	rightWrite
	rightAdmin   // collections and indexes
	rightUsers   // users and roles
	rightMonitor // looking at the server
	rightBackup  // copying everything
	rightServer  // everything else

	rightAll = rightRead | rightWrite | rightAdmin | rightUsers | rightMonitor | rightBackup | rightServer
)

type builtinRole struct {
	gives    right
	anywhere bool // a role of admin that holds on all databases
}

// builtinRoles are the roles there are; the engine has no others.
var builtinRoles = map[string]builtinRole{
	"read":                 {gives: rightRead},
	"readWrite":            {gives: rightRead | rightWrite},
	"dbAdmin":              {gives: rightAdmin},
	"userAdmin":            {gives: rightUsers},
	"dbOwner":              {gives: rightRead | rightWrite | rightAdmin | rightUsers},
	"readAnyDatabase":      {gives: rightRead, anywhere: true},
	"readWriteAnyDatabase": {gives: rightRead | rightWrite, anywhere: true},
	"dbAdminAnyDatabase":   {gives: rightAdmin, anywhere: true},
	"userAdminAnyDatabase": {gives: rightUsers, anywhere: true},
	"clusterMonitor":       {gives: rightMonitor, anywhere: true},
	"clusterManager":       {gives: rightMonitor, anywhere: true},
	"hostManager":          {gives: rightMonitor, anywhere: true},
	"clusterAdmin":         {gives: rightMonitor | rightServer | rightAdmin, anywhere: true},
	"backup":               {gives: rightRead | rightMonitor | rightBackup, anywhere: true},
	"restore":              {gives: rightWrite | rightAdmin, anywhere: true},
	"root":                 {gives: rightAll, anywhere: true},
}

// needs tells what commands need; the others need rightServer.
var needs = map[string]right{
	"find": rightRead, "aggregate": rightRead, "count": rightRead, "distinct": rightRead, "getMore": rightRead,
	"killCursors": rightRead, "explain": rightRead, "listCollections": rightRead | rightAdmin, "listIndexes": rightRead | rightAdmin,
	"collStats": rightRead | rightAdmin, "collstats": rightRead | rightAdmin, "dbStats": rightRead | rightAdmin, "dbstats": rightRead | rightAdmin, "dataSize": rightRead,
	"insert": rightWrite, "update": rightWrite, "delete": rightWrite, "findAndModify": rightWrite, "findandmodify": rightWrite,
	"create": rightWrite | rightAdmin, "createIndexes": rightWrite | rightAdmin, "dropIndexes": rightWrite | rightAdmin, "deleteIndexes": rightWrite | rightAdmin,
	"drop": rightWrite | rightAdmin, "collMod": rightAdmin, "dropDatabase": rightAdmin, "validate": rightAdmin,
	"convertToCapped": rightWrite | rightAdmin, "renameCollection": rightWrite | rightAdmin, "profile": rightAdmin,
	"createUser": rightUsers, "updateUser": rightUsers, "dropUser": rightUsers, "dropAllUsersFromDatabase": rightUsers,
	"usersInfo": rightUsers, "grantRolesToUser": rightUsers, "revokeRolesFromUser": rightUsers, "rolesInfo": rightUsers,
	"dbHash": rightRead, "dbhash": rightRead, "compact": rightAdmin, "reIndex": rightAdmin, "planCacheClear": rightAdmin,
	"planCacheClearFilters": rightAdmin, "planCacheListFilters": rightAdmin, "cloneCollectionAsCapped": rightWrite | rightAdmin,
	"top": rightMonitor, "connPoolStats": rightMonitor, "lockInfo": rightMonitor, "getDiagnosticData": rightMonitor, "getClusterParameter": rightMonitor, "features": rightMonitor,
	"weirBackup": rightBackup, "serverStatus": rightMonitor, "hostInfo": rightMonitor, "replSetGetStatus": rightMonitor, "replSetGetConfig": rightMonitor,
	"getLog": rightMonitor, "currentOp": rightMonitor, "getCmdLineOpts": rightMonitor, "getParameter": rightMonitor,
}

// freeCommands are the commands that need no login.
var freeCommands = map[string]bool{
	"hello": true, "isMaster": true, "ismaster": true, "ping": true, "buildInfo": true, "buildinfo": true, "whatsmyuri": true,
	"saslStart": true, "saslContinue": true, "authenticate": true, "logout": true, "connectionStatus": true, "listCommands": true,
}

// anyUser are the commands that need a login, but no role.
var anyUser = map[string]bool{
	"startSession": true, "endSessions": true, "refreshSessions": true, "killSessions": true,
	"commitTransaction": true, "abortTransaction": true, "getDefaultRWConcern": true, "listDatabases": true,
}

// authorize refuses commands of connections that may not run them.
func (r *request) authorize(ctx context.Context) error {
	if !r.e.opts.Auth || r.s == nil || freeCommands[r.name] {
		return nil
	}
	l := r.s.login
	if l == nil {
		if r.name == "createUser" && r.firstUser(ctx) {
			return nil
		}
		return mongoerr.New(mongoerr.Unauthorized, "Command %s requires authentication", r.name)
	}
	if l.version != r.e.usersVersion.Load() {
		if err := r.e.loadRoles(ctx, l); err != nil {
			r.s.login = nil
			return err
		}
	}
	if anyUser[r.name] {
		return nil
	}
	for _, n := range r.wants() {
		if !l.may(n.what, n.db) {
			return mongoerr.New(mongoerr.Unauthorized, "not authorized on %s to execute command { %s: %s }", r.db, r.name, r.arg)
		}
	}
	return nil
}

// firstUser: while there is no user, a client on the same machine may make one.
func (r *request) firstUser(ctx context.Context) bool {
	if !r.s.local() {
		return false
	}
	docs, err := r.e.users(ctx, bson.D{})
	return err == nil && len(docs) == 0
}

type want struct {
	what right
	db   string
}

// wants lists what the command needs, where. Any bit of what is enough.
func (r *request) wants() []want {
	what, ok := needs[r.name]
	if !ok {
		what = rightServer
	}
	all := []want{{what, r.db}}
	if r.db == oplogNamespace.DB { // the log holds what is in all databases, users too
		all = append(all, want{rightServer | rightBackup, "admin"})
	}
	switch r.name {
	case "aggregate":
		if p := value.Lookup(r.cmd, "pipeline"); p.IsArray() {
			all = append(all, r.pipelineWants(p.Doc())...)
		}
	case "createUser", "updateUser", "grantRolesToUser", "revokeRolesFromUser":
		// Who gives a role away needs the right where the role holds.
		if refs, err := r.roleRefs("roles", value.Lookup(r.cmd, "roles")); err == nil {
			for _, ref := range refs {
				all = append(all, want{what, ref.db})
			}
		}
	case "renameCollection":
		all = all[:0]
		for _, v := range []value.Value{r.arg, value.Lookup(r.cmd, "to")} {
			if v.IsString() {
				db, _, _ := strings.Cut(v.Str(), ".")
				all = append(all, want{what, db})
			}
		}
	case "find", "count", "distinct", "insert", "update", "delete", "findAndModify", "findandmodify", "drop":
		if r.db == "admin" && r.arg.IsString() && strings.HasPrefix(r.arg.Str(), "system.") {
			all = append(all, want{rightUsers, "admin"})
		}
	}
	return all
}

// pipelineWants finds the writing and cross-database stages.
func (r *request) pipelineWants(pipeline bson.Raw) []want {
	var all []want
	for it := value.Walk(pipeline); it.Next(); {
		if !it.Value().IsDocument() {
			continue
		}
		s := value.Walk(it.Value().Doc())
		if !s.Next() {
			continue
		}
		switch s.Key() {
		case "$out", "$merge":
			all = append(all, want{rightWrite, targetDatabase(s.Value(), r.db)})
		case "$changeStream":
			if d := s.Value(); d.IsDocument() && !value.Lookup(d.Doc(), "allChangesForCluster").IsMissing() {
				all = append(all, want{rightServer, "admin"})
			}
		case "$currentOp", "$listSessions", "$listLocalSessions":
			all = append(all, want{rightMonitor, "admin"})
		}
	}
	return all
}

func targetDatabase(v value.Value, db string) string {
	if !v.IsDocument() {
		return db
	}
	d := v.Doc()
	if into := value.Lookup(d, "into"); into.IsDocument() {
		d = into.Doc()
	}
	if n := value.Lookup(d, "db"); n.IsString() {
		return n.Str()
	}
	return db
}

// may tells whether one of the roles gives one of the rights on a database.
func (l *login) may(what right, db string) bool {
	return slices.ContainsFunc(l.roles, func(ref roleRef) bool {
		b := builtinRoles[ref.role]
		return b.gives&what != 0 && (ref.db == db || b.anywhere && ref.db == "admin")
	})
}

// maySee tells whether listDatabases shows a database to the client.
func (r *request) maySee(db string) bool {
	if !r.e.opts.Auth || r.s == nil || r.s.login == nil {
		return true
	}
	l := r.s.login
	return l.may(rightMonitor, "admin") || l.may(rightRead|rightWrite|rightAdmin, db)
}

// roleRefs reads a list of roles: names, or {role, db}.
func (r *request) roleRefs(key string, v value.Value) ([]roleRef, error) {
	if !v.IsArray() {
		return nil, notArray(key)
	}
	refs := []roleRef{}
	for it := value.Walk(v.Doc()); it.Next(); {
		ref, err := r.roleRef(it.Value())
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

func (r *request) roleRef(v value.Value) (roleRef, error) {
	switch {
	case v.IsString():
		return roleRef{strings.Clone(v.Str()), strings.Clone(r.db)}, nil
	case v.IsDocument():
		role, db := value.Lookup(v.Doc(), "role"), value.Lookup(v.Doc(), "db")
		if !role.IsString() {
			return roleRef{}, mongoerr.New(40414, "BSON field 'RoleName.role' is missing but a required field")
		}
		if !db.IsString() {
			return roleRef{}, mongoerr.New(40414, "BSON field 'RoleName.db' is missing but a required field")
		}
		return roleRef{strings.Clone(role.Str()), strings.Clone(db.Str())}, nil
	}
	return roleRef{}, mongoerr.New(mongoerr.BadValue, "Role names must be either strings or objects")
}

func checkRoles(refs []roleRef) error {
	for _, ref := range refs {
		if b, ok := builtinRoles[ref.role]; !ok || b.anywhere && ref.db != "admin" {
			return mongoerr.New(mongoerr.RoleNotFound, "Could not find role: %s", ref)
		}
	}
	return nil
}

func rolesValue(refs []roleRef) bson.A {
	a := bson.A{}
	for _, ref := range refs {
		a = append(a, bson.D{{Key: "role", Value: ref.role}, {Key: "db", Value: ref.db}})
	}
	return a
}

// cmdRolesInfo tells about the built-in roles.
func cmdRolesInfo(_ context.Context, r *request, dst []byte) ([]byte, error) {
	builtin := false
	err := r.fields(func(key string, v value.Value) (known bool, err error) {
		switch key {
		case "showBuiltinRoles":
			builtin, err = r.boolean(key, v)
		case "showPrivileges", "showAuthenticationRestrictions":
			if !v.IsString() {
				_, err = r.boolean(key, v)
			}
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return dst, err
	}
	refs, err := r.rolesAsked(builtin)
	if err != nil {
		return dst, err
	}
	dst = value.AppendHeader(dst, bson.TypeArray, "roles")
	start, dst := value.BeginDocument(dst)
	for i, ref := range refs {
		at, d := value.BeginDocument(nil)
		d = value.AppendElement(d, "role", value.String(ref.role))
		d = value.AppendElement(d, "db", value.String(ref.db))
		d = value.AppendElement(d, "isBuiltin", value.Bool(true))
		d = value.AppendElement(d, "roles", value.Array(emptyDoc))
		d = value.AppendElement(d, "inheritedRoles", value.Array(emptyDoc))
		dst = value.AppendItem(dst, i, value.Document(value.EndDocument(d, at)))
	}
	return value.EndDocument(dst, start), nil
}

func (r *request) rolesAsked(builtin bool) ([]roleRef, error) {
	var refs []roleRef
	if r.arg.IsNumber() && r.arg.AsInt64() == 1 {
		if builtin {
			for name, b := range builtinRoles {
				if !b.anywhere || r.db == "admin" {
					refs = append(refs, roleRef{name, r.db})
				}
			}
			slices.SortFunc(refs, func(a, b roleRef) int { return strings.Compare(a.role, b.role) })
		}
		return refs, nil
	}
	items := []value.Value{r.arg}
	if r.arg.IsArray() {
		items = value.Items(nil, r.arg.Doc())
	}
	for _, v := range items {
		ref, err := r.roleRef(v)
		if err != nil {
			return nil, err
		}
		if checkRoles([]roleRef{ref}) == nil {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}
