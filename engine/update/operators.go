package update

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

// modifier is one operator with its argument.
type modifier interface {
	// existing changes an element that the path led to.
	existing(a *application, t *target) error
	// missing is called when there is none.
	missing(a *application, t *target) error
}

// pathOp is a modifier at a path.
type pathOp struct {
	path    []string
	mod     modifier // nil: only occupies the path (the source of $rename)
	dynamic bool     // the path holds positional names
}

// compileModifier checks an operator's argument for one path.
type compileModifier func(u *Update, name, path string, v value.Value) (modifier, error)

// lookupOperator is the table of update operators.
func lookupOperator(name string) compileModifier {
	switch name {
	case "$set":
		return compileSet
	case "$setOnInsert":
		return compileSetOnInsert
	case "$unset":
		return compileUnset
	case "$inc", "$mul":
		return compileArith
	case "$min", "$max":
		return compileMinMax
	case "$bit":
		return compileBit
	case "$currentDate":
		return compileCurrentDate
	case "$push":
		return compilePush
	case "$addToSet":
		return compileAddToSet
	case "$pop":
		return compilePop
	case "$pull":
		return compilePull
	case "$pullAll":
		return compilePullAll
	case "$rename":
		return compileRename
	}
	return nil
}

func (u *Update) compileOperators(doc bson.Raw) error {
	if err := u.compileArrayFilters(); err != nil {
		return err
	}
	for it := value.Walk(doc); it.Next(); {
		name, v := it.Key(), it.Value()
		compile := lookupOperator(name)
		if compile == nil {
			return mongoerr.New(mongoerr.FailedToParse, "Unknown modifier: %s. Expected a valid update modifier or pipeline-style update specified as an array", name)
		}
		if !v.IsDocument() {
			return mongoerr.New(mongoerr.FailedToParse, "Modifiers operate on fields but we found type %s instead. For example: {$mod: {<field>: ...}} not {%s: %s}", value.TypeName(v.Kind()), name, v)
		}
		for f := value.Walk(v.Doc()); f.Next(); {
			if err := u.compileOne(compile, name, f.Key(), f.Value()); err != nil {
				return err
			}
		}
	}
	return u.finishOperators(doc)
}

func (u *Update) compileOne(compile compileModifier, name, path string, v value.Value) error {
	parts, err := splitPath(path)
	if err != nil {
		return err
	}
	mod, err := compile(u, name, path, v)
	if err != nil {
		return err
	}
	if r, ok := mod.(*renameMod); ok {
		u.ops = append(u.ops, pathOp{path: r.from})
		parts = r.to
	}
	return u.addOp(pathOp{path: parts, mod: mod})
}

func (u *Update) addOp(op pathOp) error {
	for _, p := range op.path {
		if isPositional(p) {
			op.dynamic = true
			if err := u.useFilter(p, op.path); err != nil {
				return err
			}
		}
	}
	u.ops = append(u.ops, op)
	return nil
}

func (u *Update) finishOperators(doc bson.Raw) error {
	for i := range u.ops {
		for j := range i {
			if conflict(u.ops[j].path, u.ops[i].path) {
				return conflictError(u.ops[j].path, u.ops[i].path)
			}
			if n := mixed(u.ops[j].path, u.ops[i].path); n > 0 {
				return conflictError(u.ops[i].path, u.ops[j].path[:n])
			}
		}
	}
	slices.SortStableFunc(u.ops, func(a, b pathOp) int { return comparePaths(a.path, b.path) })
	return u.checkFiltersUsed(doc)
}

// application is one run of the operators over a document.
type application struct {
	u       *Update
	c       *expr.Context
	doc     bson.Raw
	root    *elem
	log     changeLog
	insert  bool
	matcher *match.Matcher
	// filtered are the arrays that $[] and $[id] went through.
	filtered [][]string
	matched  int // the array position that matched; -2: not asked yet
}

func (u *Update) applyOperators(c *expr.Context, doc bson.Raw, m *match.Matcher, insert bool) (bson.Raw, *Description, error) {
	a := &application{u: u, c: c, doc: doc, root: newRoot(doc), insert: insert, matcher: m, matched: -2}
	a.log.root = a.root
	steps, err := a.steps()
	if err != nil {
		return nil, nil, err
	}
	for _, st := range steps {
		if err := a.checkDollar(st); err != nil {
			return nil, nil, err
		}
		if err := a.one(st.mod, st.path); err != nil {
			return nil, nil, err
		}
	}
	for _, path := range a.filtered {
		a.log.collapse(path)
	}
	out := bson.Raw(a.root.appendContainer(make([]byte, 0, len(doc)+64)))
	if err := checkID(doc, out); err != nil {
		return nil, nil, err
	}
	return out, a.log.description(), nil
}

// checkDollar refuses to give the document itself a field with a name that begins
// with a dollar; an inserted document may have it, and so may its parts.
func (a *application) checkDollar(st step) error {
	name := st.path[0]
	if _, gone := st.mod.(unsetMod); a.insert || gone || !strings.HasPrefix(name, "$") || dbRefField(name) {
		return nil
	}
	return dollarRefused(name)
}

// step is one modifier at a plain path.
type step struct {
	mod  modifier
	path []string
	op   int
}

// steps finds what all paths stand for before anything is changed: filters see
// the items as they were.
func (a *application) steps() ([]step, error) {
	all := make([]step, 0, len(a.u.ops))
	for i := range a.u.ops {
		op := &a.u.ops[i]
		if op.mod == nil {
			continue
		}
		rivals := a.u.rivals(i)
		paths := [][]string{op.path}
		if op.dynamic {
			var err error
			if paths, err = a.resolve(nil, op.path, nil, a.root); err != nil {
				return nil, err
			}
		}
		before := len(all)
		if len(rivals) == 0 {
			before = 0
		}
		for _, p := range paths {
			for _, s := range all[:before] {
				if slices.Contains(rivals, s.op) && conflict(s.path, p) {
					return nil, mongoerr.New(mongoerr.ConflictingUpdateOperators, "Update created a conflict at '%s'", dotted(p))
				}
			}
			all = append(all, step{op.mod, p, i})
		}
	}
	return all, nil
}

// rivals are the operators before the nth that may stand for the same paths.
func (u *Update) rivals(n int) []int {
	var out []int
	for i := range n {
		a, b := u.ops[i].path, u.ops[n].path
		meet := u.ops[i].dynamic || u.ops[n].dynamic
		for k := range min(len(a), len(b)) {
			meet = meet && (a[k] == b[k] || isPositional(a[k]) || isPositional(b[k]))
		}
		if meet {
			out = append(out, i)
		}
	}
	return out
}

func (a *application) one(mod modifier, path []string) error {
	t := follow(a.root, path)
	if t.at != nil {
		return mod.existing(a, &t)
	}
	return mod.missing(a, &t)
}

// checkID refuses a change of an _id that the document had.
func checkID(old, new bson.Raw) error {
	before := value.Lookup(old, "_id")
	if before.IsMissing() {
		return nil
	}
	after := value.Lookup(new, "_id")
	if before.Kind() != after.Kind() || !bytes.Equal(before.AppendPayload(nil), after.AppendPayload(nil)) {
		return mongoerr.New(mongoerr.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	return nil
}

// idText names the document in messages.
func (a *application) idText() string {
	id := value.Lookup(a.doc, "_id")
	if id.IsMissing() {
		return "{no id}"
	}
	return "{_id: " + id.String() + "}"
}

func dotted(path []string) string { return strings.Join(path, ".") }

// create makes the missing path with a value and logs it.
func (a *application) create(t *target, v value.Value) error {
	n, err := t.create(v)
	if err != nil {
		return err
	}
	a.log.created(t.path[:n], t.parent.kids[len(t.parent.kids)-1])
	return nil
}

// change sets an existing element and logs it, unless it is the same already.
func (a *application) change(t *target, v value.Value) {
	old := t.at.value()
	if old.Kind() == v.Kind() && bytes.Equal(old.AppendPayload(nil), v.AppendPayload(nil)) {
		return
	}
	a.replace(t, v)
}

// replace sets an existing element and logs it in any case.
func (a *application) replace(t *target, v value.Value) {
	t.at.set(v)
	a.log.updated(t.path, t.at)
}
