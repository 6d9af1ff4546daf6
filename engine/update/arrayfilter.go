package update

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/index"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

// arrayFilter is one of arrayFilters: a filter on {identifier: item}.
type arrayFilter struct {
	m    *match.Matcher
	used bool
}

func (u *Update) compileArrayFilters() error {
	u.filters = map[string]*arrayFilter{}
	for _, raw := range u.opts.ArrayFilters {
		id, err := filterIdentifier(raw)
		if err != nil {
			return err
		}
		if u.filters[id] != nil {
			return mongoerr.New(mongoerr.FailedToParse, "Found multiple array filters with the same top-level field name %s", id)
		}
		m, err := match.Compile(raw, &expr.CompileOptions{Collation: u.opts.Collation})
		if err != nil {
			return err
		}
		u.filters[id] = &arrayFilter{m: m}
	}
	return nil
}

// filterIdentifier is the one top-level field that a filter speaks of.
func filterIdentifier(raw bson.Raw) (string, error) {
	id, err := collectIdentifier(raw, "")
	if err != nil {
		return "", err
	}
	if id == "" {
		return "", mongoerr.New(mongoerr.FailedToParse, "Cannot use an expression without a top-level field name in arrayFilters")
	}
	if !validIdentifier(id) {
		return "", mongoerr.New(mongoerr.BadValue, "The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '%s'", id)
	}
	return id, nil
}

func exprRefused(why string) error { return mongoerr.New(224, "%s", why) }

func collectIdentifier(raw bson.Raw, id string) (string, error) {
	for it := value.Walk(raw); it.Next(); {
		k := it.Key()
		if k == "$expr" {
			return "", exprRefused("$expr is not allowed in this context")
		}
		if k == "$text" || k == "$where" {
			return "", mongoerr.New(mongoerr.BadValue, "%s is not allowed in this context", k)
		}
		if strings.HasPrefix(k, "$") {
			if !it.Value().IsArray() {
				continue
			}
			for sub := value.Walk(it.Value().Doc()); sub.Next(); {
				if !sub.Value().IsDocument() {
					continue
				}
				var err error
				if id, err = collectIdentifier(sub.Value().Doc(), id); err != nil {
					return "", err
				}
			}
			continue
		}
		name, _, _ := strings.Cut(k, ".")
		if id != "" && id != name {
			return "", mongoerr.New(mongoerr.FailedToParse, "Error parsing array filter :: caused by :: Expected a single top-level field name, found '%s' and '%s'", id, name)
		}
		id = name
	}
	return id, nil
}

func validIdentifier(id string) bool {
	for i := 0; i < len(id); i++ {
		c := id[i]
		lower := c >= 'a' && c <= 'z'
		if !lower && (i == 0 || !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9')) {
			return false
		}
	}
	return id != ""
}

// useFilter notes that a path needs the filter of a positional name.
func (u *Update) useFilter(name string, path []string) error {
	if name == "$" || name == "$[]" {
		return nil
	}
	id := name[2 : len(name)-1]
	f := u.filters[id]
	if f == nil {
		return mongoerr.New(mongoerr.BadValue, "No array filter found for identifier '%s' in path '%s'", id, dotted(path))
	}
	f.used = true
	return nil
}

func (u *Update) checkFiltersUsed(update bson.Raw) error {
	for id, f := range u.filters {
		if !f.used {
			return mongoerr.New(mongoerr.FailedToParse, "The array filter for identifier '%s' was not used in the update %s", id, index.Text(value.Document(update)))
		}
	}
	return nil
}

// resolve appends the plain paths that a path with positional names stands for
// in the present document.
func (a *application) resolve(out [][]string, path, done []string, at *elem) ([][]string, error) {
	for i, name := range path {
		if !isPositional(name) {
			if at != nil {
				at = at.child(name)
			}
			done = append(done[:len(done):len(done)], name)
			continue
		}
		if name == "$" {
			pos, err := a.position()
			if err != nil {
				return nil, err
			}
			if at != nil {
				at = at.child(pos)
			}
			done = append(done[:len(done):len(done)], pos)
			continue
		}
		return a.resolveItems(out, name, path[i+1:], done, at)
	}
	return append(out, done), nil
}

func (a *application) resolveItems(out [][]string, name string, rest, done []string, at *elem) ([][]string, error) {
	switch {
	case at == nil:
		return nil, mongoerr.New(mongoerr.BadValue, "The path '%s' must exist in the document in order to apply array updates.", dotted(done))
	case !at.v.IsArray():
		return nil, mongoerr.New(mongoerr.BadValue, "Cannot apply array updates to non-array element %s: %s", at.key, at.value())
	}
	a.filtered = append(a.filtered, done)
	for i, item := range at.expand() {
		ok, err := a.selects(name, item)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		next := append(done[:len(done):len(done)], itoa(i))
		if out, err = a.resolve(out, rest, next, item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *application) selects(name string, item *elem) (bool, error) {
	if name == "$[]" {
		return true, nil
	}
	id := name[2 : len(name)-1]
	var b value.Builder
	b.Add(id, item.value())
	return a.u.filters[id].m.Match(a.context(), b.Doc())
}

func (a *application) context() *expr.Context {
	if a.c == nil {
		a.c = &expr.Context{}
	}
	return a.c
}

// position is what "$" stands for: the item that the query matched.
func (a *application) position() (string, error) {
	if a.matched == -2 {
		a.matched = -1
		if a.matcher != nil && !a.insert {
			_, pos, err := a.matcher.Position(a.context(), a.doc)
			if err != nil {
				return "", err
			}
			a.matched = pos
		}
	}
	if a.matched < 0 {
		return "", mongoerr.New(mongoerr.BadValue, "The positional operator did not find the match needed from the query.")
	}
	return itoa(a.matched), nil
}
