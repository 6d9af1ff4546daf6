package expr

import (
	"strings"

	"weir/engine/value"
)

// fieldPath reads a path of the root document.
type fieldPath struct{ path []string }

func (e *fieldPath) Eval(c *Context) (value.Value, error) {
	v := value.Lookup(c.Root, e.path[0])
	if len(e.path) == 1 {
		return v, nil
	}
	return value.GetPathIn(v, e.path[1:]), nil
}

// rootNode is $$ROOT.
type rootNode struct{}

func (rootNode) Eval(c *Context) (value.Value, error) { return value.Document(c.Root), nil }

// variable reads a variable and a path in it.
type variable struct {
	slot int
	path []string
}

func (e *variable) Eval(c *Context) (value.Value, error) {
	if e.slot >= len(c.Vars) {
		return value.Value{}, nil
	}
	return value.GetPathIn(c.Vars[e.slot], e.path), nil
}

// path compiles "$a.b" and "$$var.a.b".
func (p *compiler) path(s string) (Expr, error) {
	if strings.HasPrefix(s, "$$") {
		return p.variable(s[2:])
	}
	path, err := splitPath(s[1:])
	switch {
	case s == "$":
		return nil, fail(16872, "'$' by itself is not a valid FieldPath")
	case err != nil:
		return nil, err
	}
	if p.current >= 0 {
		return &variable{slot: p.current, path: path}, nil
	}
	p.readsField(s[1:])
	return &fieldPath{path}, nil
}

func (p *compiler) readsField(path string) {
	if p.opts.Deps != nil {
		p.opts.Deps.Fields = append(p.opts.Deps.Fields, path)
	}
}

func splitPath(s string) ([]string, error) {
	switch {
	case s == "":
		return nil, fail(40352, "FieldPath cannot be constructed with empty string")
	case strings.HasSuffix(s, "."):
		return nil, fail(40353, "FieldPath must not end with a '.'.")
	}
	path := strings.Split(s, ".")
	if len(path) > maxDepth {
		return nil, fail(15, "FieldPath is too long")
	}
	for _, k := range path {
		if err := checkFieldName(k); err != nil {
			return nil, err
		}
		if strings.IndexByte(k, 0) >= 0 {
			return nil, fail(16411, "FieldPath field names may not contain '\\0'.")
		}
	}
	return path, nil
}

// variable compiles what follows "$$".
func (p *compiler) variable(s string) (Expr, error) {
	name, rest, dotted := strings.Cut(s, ".")
	if err := checkVariableName(name); err != nil {
		return nil, err
	}
	var path []string
	if dotted && rest == "" {
		return nil, fail(40353, "FieldPath must not end with a '.'.")
	}
	if dotted {
		var err error
		if path, err = splitPath(rest); err != nil {
			return nil, err
		}
	}
	for slot := len(p.scope) - 1; slot >= 0; slot-- {
		if p.scope[slot] == name && slot < len(p.opts.Known) {
			return constant{value.GetPathIn(p.opts.Known[slot], path)}, nil
		}
		if p.scope[slot] == name {
			return &variable{slot: slot, path: path}, nil
		}
	}
	return p.systemVariable(name, rest, path)
}

func (p *compiler) systemVariable(name, dotted string, path []string) (Expr, error) {
	var v lazy
	switch name {
	case "ROOT", "CURRENT":
		if len(path) > 0 {
			p.readsField(dotted)
			return &fieldPath{path}, nil
		}
		if p.opts.Deps != nil {
			p.opts.Deps.Whole = true
		}
		return rootNode{}, nil
	case "REMOVE":
		return constant{}, nil
	case "NOW":
		v = func(c *Context) (value.Value, error) { return value.Date(c.Now), nil }
	case "CLUSTER_TIME":
		v = func(c *Context) (value.Value, error) { return c.ClusterTime, nil }
	case "DESCEND", "PRUNE", "KEEP":
		if !p.redacts {
			return nil, fail(17276, "Use of undefined variable: %s", name)
		}
		return constant{value.String(strings.ToLower(name))}, nil
	case "USER_ROLES":
		return constant{value.Array(value.EmptyDocument)}, nil
	case "IS_MR", "JS_SCOPE":
		return nil, fail(51144, "Builtin variable '$$%s' is not available", name)
	default:
		return nil, fail(17276, "Use of undefined variable: %s", name)
	}
	if len(path) > 0 {
		return constant{}, nil
	}
	return v, nil
}

// checkVariableName checks a name that is read.
func checkVariableName(name string) error {
	if name == "" {
		return fail(9, "empty variable names are not allowed")
	}
	first := name[0]
	if !(isLetter(first) || first >= 0x80) {
		return fail(9, "'%s' starts with an invalid character for a variable name", name)
	}
	return checkVariableTail(name, 9)
}

// CheckUserVariable checks a name that a user binds.
func CheckUserVariable(name string) error {
	switch {
	case name == "":
		return fail(9, "empty variable names are not allowed")
	case name == "CURRENT":
		return nil
	case !(name[0] >= 'a' && name[0] <= 'z' || name[0] >= 0x80):
		return fail(9, "'%s' starts with an invalid character for a user variable name", name)
	}
	return checkVariableTail(name, 9)
}

func checkVariableTail(name string, code int32) error {
	for i := 1; i < len(name); i++ {
		if c := name[i]; !(isLetter(c) || c >= '0' && c <= '9' || c == '_' || c >= 0x80) {
			return fail(code, "'%s' contains an invalid character for a variable name: '%c'", name, c)
		}
	}
	return nil
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
