package update

import (
	"strings"

	"weir/engine/value"
	"weir/mongoerr"
)

// renameMod is $rename.
type renameMod struct{ from, to []string }

func compileRename(_ *Update, _, path string, v value.Value) (modifier, error) {
	if !v.IsString() {
		return nil, mongoerr.New(mongoerr.BadValue, "The 'to' field for $rename must be a string: %s: %s", path, v)
	}
	if strings.IndexByte(v.Str(), 0) >= 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "The 'to' field for $rename cannot contain an embedded null byte")
	}
	from, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	to, err := splitPath(v.Str())
	if err != nil {
		return nil, err
	}
	if conflict(from, to) {
		if len(from) == len(to) {
			return nil, mongoerr.New(mongoerr.BadValue, "The source and target field for $rename must differ: %s: %s", path, v)
		}
		return nil, mongoerr.New(mongoerr.BadValue, "The source and target field for $rename must not be on the same path: %s: %s", path, v)
	}
	for i, p := range [][]string{from, to} {
		for _, name := range p {
			if isPositional(name) {
				return nil, mongoerr.New(mongoerr.BadValue, "The %s field for $rename may not be dynamic: %s", [...]string{"source", "destination"}[i], dotted(p))
			}
		}
	}
	return &renameMod{from, to}, nil
}

func (m *renameMod) existing(a *application, t *target) error { return m.apply(a, t) }
func (m *renameMod) missing(a *application, t *target) error  { return m.apply(a, t) }

func (m *renameMod) apply(a *application, t *target) error {
	src := follow(a.root, m.from)
	if src.at == nil {
		return src.checkPlain()
	}
	if err := noArrays(a, &src, "source"); err != nil {
		return err
	}
	if err := noArrays(a, t, "destination"); err != nil {
		return err
	}
	v := src.at.value()
	if t.at == nil {
		if err := t.viable(); err != nil {
			return err
		}
	}
	if !a.insert && len(t.path) == 1 && t.path[0] == "_id" {
		return mongoerr.New(mongoerr.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	src.parent.remove(src.at)
	a.log.removed(src.path)
	if t.at != nil {
		a.change(t, v)
		return nil
	}
	return a.create(t, v)
}

// checkPlain refuses a path that a scalar or an array bars.
func (t *target) checkPlain() error {
	if t.parent.isContainer() && !t.parent.v.IsArray() {
		return nil
	}
	return t.viable()
}

func noArrays(a *application, t *target, which string) error {
	for i, e := range t.chain {
		if e.v.IsArray() && i < len(t.path) {
			return mongoerr.New(mongoerr.BadValue, "The %s field cannot be an array element, '%s' in doc with %s has an array field called '%s'",
				which, dotted(t.path), strings.Trim(a.idText(), "{}"), e.key)
		}
	}
	return nil
}
