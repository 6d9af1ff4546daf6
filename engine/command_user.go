package engine

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// Users live in admin.system.users, in MongoDB's own form.

const usersCollection = "system.users"

// internal runs a command of the engine's own.
func (e *Engine) internal(ctx context.Context, cmd bson.D) (bson.Raw, error) {
	raw, err := bson.Marshal(cmd)
	if err != nil {
		return nil, err
	}
	return e.runCommand(ctx, nil, "admin", raw, nil)
}

// users finds users by a filter.
func (e *Engine) users(ctx context.Context, filter any) ([]bson.Raw, error) {
	reply, err := e.internal(ctx, bson.D{{Key: "find", Value: usersCollection}, {Key: "filter", Value: filter},
		{Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "singleBatch", Value: true}, {Key: "batchSize", Value: 100000}})
	if err != nil {
		return nil, err
	}
	var docs []bson.Raw
	for it := value.Walk(lookupPath(reply, "cursor", "firstBatch").Doc()); it.Next(); {
		docs = append(docs, it.Value().Doc())
	}
	return docs, nil
}

// findUser finds one user; nil when there is none.
func (e *Engine) findUser(ctx context.Context, user, db string) (bson.Raw, error) {
	docs, err := e.users(ctx, bson.D{{Key: "_id", Value: db + "." + user}})
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	return docs[0], nil
}

func userNotFound(user, db string) error {
	return mongoerr.New(mongoerr.UserNotFound, "User '%s@%s' not found", user, db)
}

// userSpec is what createUser and updateUser say.
type userSpec struct {
	name       string
	password   *string
	customData bson.Raw
	roles      []roleRef
	hasRoles   bool
	mechanisms []string
}

func (r *request) userName() (string, error) {
	if !r.arg.IsString() {
		return "", r.wrongType(r.name, r.arg, "string")
	}
	return strings.Clone(r.arg.Str()), nil
}

func (r *request) userSpec() (s userSpec, err error) {
	if s.name, err = r.userName(); err != nil {
		return s, err
	}
	err = r.fields(func(key string, v value.Value) (bool, error) {
		switch key {
		case "pwd":
			if !v.IsString() {
				return true, r.wrongType(key, v, "string")
			}
			p := strings.Clone(v.Str())
			s.password = &p
		case "customData":
			var err error
			s.customData, err = r.document(key, v)
			return true, err
		case "roles":
			var err error
			s.hasRoles = true
			s.roles, err = r.roleRefs(key, v)
			return true, err
		case "mechanisms":
			var err error
			s.mechanisms, err = r.mechanisms(v)
			return true, err
		case "digestPassword":
			_, err := r.boolean(key, v)
			return true, err
		case "authenticationRestrictions":
			if !v.IsArray() {
				return true, r.wrongType(key, v, "array")
			}
		default:
			return false, nil
		}
		return true, nil
	})
	return s, err
}

func (r *request) mechanisms(v value.Value) ([]string, error) {
	if !v.IsArray() {
		return nil, notArray("mechanisms")
	}
	names := []string{}
	for it := value.Walk(v.Doc()); it.Next(); {
		if !it.Value().IsString() {
			return nil, r.wrongType("mechanisms."+it.Key(), it.Value(), "string")
		}
		names = append(names, strings.Clone(it.Value().Str()))
	}
	return names, nil
}

// notArray is what the server says of an array parameter that is none.
func notArray(key string) error {
	return mongoerr.New(10065, "invalid parameter: expected an object (%s)", key)
}

// credentials derives what is stored of the password.
func (s *userSpec) credentials() (bson.D, error) {
	names := s.mechanisms
	if names == nil {
		for _, m := range scramMechanisms {
			names = append(names, m.name)
		}
	}
	if len(names) == 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "mechanisms field must not be empty")
	}
	if s.password == nil {
		return nil, mongoerr.New(mongoerr.BadValue, "mechanisms field requires a password")
	}
	if *s.password == "" {
		return nil, mongoerr.New(50687, "Error preflighting UTF-8 conversion: U_STRING_NOT_TERMINATED_WARNING")
	}
	for _, n := range names {
		if scramMechanismOf(n) == nil {
			return nil, mongoerr.New(mongoerr.BadValue, "Unknown auth mechanism '%s'", n)
		}
	}
	creds := bson.D{}
	for i := range scramMechanisms { // in their order, whatever was asked
		m := &scramMechanisms[i]
		if !contains(names, m.name) {
			continue
		}
		c, err := m.derive(s.name, *s.password)
		if err != nil {
			return nil, mongoerr.New(mongoerr.BadValue, "%v", err)
		}
		creds = append(creds, bson.E{Key: m.name, Value: c.document()})
	}
	return creds, nil
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

func cmdCreateUser(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	s, err := r.userSpec()
	if err != nil {
		return dst, err
	}
	if !s.hasRoles {
		return dst, r.missing("roles")
	}
	if s.name == "" {
		return dst, mongoerr.New(mongoerr.BadValue, "User document needs 'user' field to be non-empty")
	}
	if s.password == nil && r.db != "$external" {
		return dst, mongoerr.New(mongoerr.BadValue, "Must provide a 'pwd' field for all user documents, except those with '$external' as the user's source db")
	}
	creds, err := s.credentials()
	if err != nil {
		return dst, err
	}
	if err := checkRoles(s.roles); err != nil {
		return dst, err
	}
	id := newUUID()
	doc := bson.D{{Key: "_id", Value: r.db + "." + s.name}, {Key: "userId", Value: bson.Binary{Subtype: 4, Data: id[:]}},
		{Key: "user", Value: s.name}, {Key: "db", Value: r.db}, {Key: "credentials", Value: creds}}
	if s.customData != nil {
		doc = append(doc, bson.E{Key: "customData", Value: s.customData})
	}
	doc = append(doc, bson.E{Key: "roles", Value: rolesValue(s.roles)})
	return dst, r.insertUser(ctx, s.name, doc)
}

func (r *request) insertUser(ctx context.Context, name string, doc bson.D) error {
	reply, err := r.e.internal(ctx, bson.D{{Key: "insert", Value: usersCollection}, {Key: "documents", Value: bson.A{doc}}})
	if err != nil {
		return err
	}
	r.e.usersVersion.Add(1)
	errs := value.Lookup(reply, "writeErrors")
	if errs.IsMissing() {
		return nil
	}
	first := value.Index(errs.Doc(), 0).Doc()
	if code := value.Lookup(first, "code").AsInt64(); code != int64(mongoerr.DuplicateKey) {
		return mongoerr.New(int32(code), "%s", value.Lookup(first, "errmsg").Str())
	}
	return mongoerr.New(51003, "User \"%s@%s\" already exists", name, r.db)
}

func cmdUpdateUser(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	s, err := r.userSpec()
	if err != nil {
		return dst, err
	}
	set := bson.D{}
	if s.password != nil {
		creds, err := s.credentials()
		if err != nil {
			return dst, err
		}
		set = append(set, bson.E{Key: "credentials", Value: creds})
	}
	if s.customData != nil {
		set = append(set, bson.E{Key: "customData", Value: s.customData})
	}
	if s.hasRoles {
		if err := checkRoles(s.roles); err != nil {
			return dst, err
		}
		set = append(set, bson.E{Key: "roles", Value: rolesValue(s.roles)})
	}
	if len(set) == 0 {
		if s.mechanisms != nil {
			return dst, mongoerr.New(mongoerr.BadValue, "mechanisms field requires a password")
		}
		return dst, mongoerr.New(mongoerr.BadValue, "Must specify at least one field to update in updateUser")
	}
	return dst, r.updateUser(ctx, s.name, bson.D{{Key: "$set", Value: set}})
}

func (r *request) updateUser(ctx context.Context, name string, update bson.D) error {
	reply, err := r.e.internal(ctx, bson.D{{Key: "update", Value: usersCollection}, {Key: "updates", Value: bson.A{
		bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: r.db + "." + name}}}, {Key: "u", Value: update}}}}})
	if err != nil {
		return err
	}
	r.e.usersVersion.Add(1)
	if value.Lookup(reply, "n").AsInt64() == 0 {
		return userNotFound(name, r.db)
	}
	return nil
}

// deleteUsers deletes by a filter and gives the number.
func (e *Engine) deleteUsers(ctx context.Context, filter bson.D) (int64, error) {
	reply, err := e.internal(ctx, bson.D{{Key: "delete", Value: usersCollection}, {Key: "deletes", Value: bson.A{
		bson.D{{Key: "q", Value: filter}, {Key: "limit", Value: 0}}}}})
	e.usersVersion.Add(1)
	if err != nil {
		return 0, err
	}
	return value.Lookup(reply, "n").AsInt64(), nil
}

func cmdDropUser(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	name, err := r.userName()
	if err != nil {
		return dst, err
	}
	if err := r.onlyGeneric(); err != nil {
		return dst, err
	}
	n, err := r.e.deleteUsers(ctx, bson.D{{Key: "_id", Value: r.db + "." + name}})
	if err == nil && n == 0 {
		err = userNotFound(name, r.db)
	}
	return dst, err
}

func (r *request) onlyGeneric() error {
	return r.fields(func(string, value.Value) (bool, error) { return false, nil })
}

func cmdDropAllUsers(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	if err := r.onlyGeneric(); err != nil {
		return dst, err
	}
	n, err := r.e.deleteUsers(ctx, bson.D{{Key: "db", Value: r.db}})
	return value.AppendElement(dst, "n", value.Int32(int32(n))), err
}

func cmdUsersInfo(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	filter, err := r.usersFilter(r.arg)
	if err != nil {
		return dst, err
	}
	credentials, privileges := false, false
	err = r.fields(func(key string, v value.Value) (known bool, err error) {
		switch key {
		case "showCredentials":
			credentials, err = r.boolean(key, v)
		case "showPrivileges":
			privileges, err = r.boolean(key, v)
		case "showCustomData", "showAuthenticationRestrictions":
			_, err = r.boolean(key, v)
		case "filter":
			var f bson.Raw
			if f, err = r.document(key, v); err == nil {
				filter = bson.D{{Key: "$and", Value: bson.A{filter, f}}}
			}
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return dst, err
	}
	docs, err := r.e.users(ctx, filter)
	if err != nil {
		return dst, err
	}
	dst = value.AppendHeader(dst, bson.TypeArray, "users")
	start, dst := value.BeginDocument(dst)
	for i, d := range docs {
		dst = value.AppendItem(dst, i, value.Document(userInfo(d, credentials, privileges)))
	}
	return value.EndDocument(dst, start), nil
}

// userInfo is a user as usersInfo shows it.
func userInfo(doc bson.Raw, credentials, privileges bool) bson.Raw {
	start, d := value.BeginDocument(nil)
	for it := value.Walk(doc); it.Next(); {
		if it.Key() != "credentials" || credentials {
			d = append(d, it.Element()...)
		}
	}
	d = value.AppendElement(d, "mechanisms", value.Array(mechanismsOf(doc)))
	if privileges {
		d = value.AppendElement(d, "inheritedRoles", value.Lookup(doc, "roles"))
		d = value.AppendElement(d, "inheritedPrivileges", value.Array(emptyDoc))
	}
	return value.EndDocument(d, start)
}

// usersFilter reads the argument of usersInfo: 1, a name, {user, db}, a list of those, {forAllDBs: true}.
func (r *request) usersFilter(v value.Value) (bson.D, error) {
	switch {
	case v.IsNumber() && v.AsInt64() == 1:
		return bson.D{{Key: "db", Value: r.db}}, nil
	case v.IsDocument() && value.Lookup(v.Doc(), "forAllDBs").Truthy() && !value.Lookup(v.Doc(), "forAllDBs").IsMissing():
		return bson.D{}, nil
	case v.IsArray():
		ids := bson.A{}
		for it := value.Walk(v.Doc()); it.Next(); {
			id, err := r.userID(it.Value())
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, nil
	}
	id, err := r.userID(v)
	return bson.D{{Key: "_id", Value: id}}, err
}

func (r *request) userID(v value.Value) (string, error) {
	switch {
	case v.IsString():
		return r.db + "." + v.Str(), nil
	case v.IsDocument():
		user, db := value.Lookup(v.Doc(), "user"), value.Lookup(v.Doc(), "db")
		if user.IsString() && db.IsString() {
			return db.Str() + "." + user.Str(), nil
		}
		if !user.IsMissing() && !user.IsString() || !db.IsMissing() && !db.IsString() {
			return "", mongoerr.New(mongoerr.TypeMismatch, "user and db must be strings")
		}
		return "", mongoerr.New(40414, "BSON field 'UserName.%s' is missing but a required field", map[bool]string{true: "user", false: "db"}[user.IsMissing()])
	}
	return "", mongoerr.New(mongoerr.BadValue, "UserName must be either a string or an object")
}

// cmdGrantRoles is grantRolesToUser and revokeRolesFromUser.
func cmdGrantRoles(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	name, err := r.userName()
	if err != nil {
		return dst, err
	}
	var roles []roleRef
	err = r.fields(func(key string, v value.Value) (bool, error) {
		if key != "roles" {
			return false, nil
		}
		var err error
		roles, err = r.roleRefs(key, v)
		return true, err
	})
	if err != nil {
		return dst, err
	}
	if len(roles) == 0 {
		return dst, mongoerr.New(mongoerr.BadValue, "%s command requires a non-empty \"roles\" array", r.name)
	}
	if err := checkRoles(roles); err != nil {
		return dst, err
	}
	update := bson.D{{Key: "$addToSet", Value: bson.D{{Key: "roles", Value: bson.D{{Key: "$each", Value: rolesValue(roles)}}}}}}
	if r.name == "revokeRolesFromUser" {
		update = bson.D{{Key: "$pullAll", Value: bson.D{{Key: "roles", Value: rolesValue(roles)}}}}
	}
	return dst, r.updateUser(ctx, name, update)
}

// loadRoles reads a login's roles anew.
func (e *Engine) loadRoles(ctx context.Context, l *login) error {
	version := e.usersVersion.Load()
	doc, err := e.findUser(ctx, l.user, l.db)
	if err != nil {
		return err
	}
	if doc == nil {
		return mongoerr.New(mongoerr.UserNotFound, "Could not find user \"%s\" for db \"%s\"", l.user, l.db)
	}
	l.roles = nil
	if roles := value.Lookup(doc, "roles"); roles.IsArray() {
		for it := value.Walk(roles.Doc()); it.Next(); {
			d := it.Value().Doc()
			l.roles = append(l.roles, roleRef{role: strings.Clone(value.Lookup(d, "role").Str()), db: strings.Clone(value.Lookup(d, "db").Str())})
		}
	}
	l.version = version
	return nil
}

func (ref roleRef) String() string { return fmt.Sprintf("%s@%s", ref.role, ref.db) }
