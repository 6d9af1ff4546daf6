package catalog

import (
	"context"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// hint is what a statement compares the columns of a relation with: numbers
// and texts as text.
type hint map[string][]string

type hintKey struct{}

type matchKey struct{}

// Match is the $match that the rows of a table function go through first, as
// WithFilter was told; nil: none. What it leaves out need not be made.
func Match(ctx context.Context) bson.Raw {
	match, _ := ctx.Value(matchKey{}).(bson.Raw)
	return match
}

// WithFilter tells a RowSource the $match that its rows will go through, so
// that it need not make all of them.
func WithFilter(ctx context.Context, match bson.Raw) context.Context {
	ctx = context.WithValue(ctx, matchKey{}, match)
	h := hint{}
	h.collect(match)
	if len(h) == 0 {
		return ctx
	}
	return context.WithValue(ctx, hintKey{}, h)
}

// Wanted gives the texts of which WithFilter was told that a column equals one;
// false: the column may hold anything.
func Wanted(ctx context.Context, column string) (texts []string, ok bool) {
	texts, ok = hintIn(ctx)[column]
	return texts, ok
}

func hintIn(ctx context.Context) hint {
	h, _ := ctx.Value(hintKey{}).(hint)
	return h
}

// collect notes the equalities that a filter demands.
func (h hint) collect(match bson.Raw) {
	for it := value.Walk(match); it.Next(); {
		v := it.Value()
		switch {
		case it.Key() == "$and" && v.IsArray():
			for part := value.Walk(v.Doc()); part.Next(); {
				if part.Value().IsDocument() {
					h.collect(part.Value().Doc())
				}
			}
		case it.Key() == "$or" && v.IsArray():
			h.collectAny(v.Doc())
		case it.Key() == "$expr":
			h.collectExpr(v)
		case strings.HasPrefix(it.Key(), "$"):
		case v.IsDocument():
			if list, ok := equalities(v.Doc()); ok {
				h[strings.Clone(it.Key())] = list
			}
		default:
			if s, ok := hintText(v); ok {
				h[strings.Clone(it.Key())] = []string{s}
			}
		}
	}
}

// collectAny notes the columns that every part of a disjunction demands to
// equal something.
func (h hint) collectAny(parts bson.Raw) {
	var any hint
	for it := value.Walk(parts); it.Next(); {
		part := hint{}
		if it.Value().IsDocument() {
			part.collect(it.Value().Doc())
		}
		if any == nil {
			any = part
			continue
		}
		for col := range any {
			if list, ok := part[col]; ok {
				any[col] = append(any[col], list...)
			} else {
				delete(any, col)
			}
		}
	}
	for col, list := range any {
		h[col] = list
	}
}

// collectExpr notes the columns that a pattern demands to be one text, as
// {$eq: [{$weir.regex: ["$relname", "^(t)$"]}, true]} does.
func (h hint) collectExpr(v value.Value) {
	if !v.IsDocument() {
		return
	}
	if all := value.Lookup(v.Doc(), "$and"); all.IsArray() {
		for it := value.Walk(all.Doc()); it.Next(); {
			h.collectExpr(it.Value())
		}
		return
	}
	eq := value.Lookup(v.Doc(), "$eq")
	if !eq.IsArray() || value.Len(eq.Doc()) != 2 || !value.Lookup(eq.Doc(), "1").AsBool() {
		return
	}
	call := value.Lookup(eq.Doc(), "0")
	if !call.IsDocument() {
		return
	}
	args := value.Lookup(call.Doc(), "$weir.regex")
	if !args.IsArray() || value.Len(args.Doc()) != 2 {
		return
	}
	field, pattern := value.Lookup(args.Doc(), "0"), value.Lookup(args.Doc(), "1")
	if !field.IsString() || !pattern.IsString() {
		return
	}
	name, ok := strings.CutPrefix(field.Str(), "$")
	if text, exact := exactPattern(pattern.Str()); ok && exact && !strings.Contains(name, "$") {
		h[strings.Clone(name)] = []string{strings.Clone(text)}
	}
}

// exactPattern is the text that a pattern ^(text)$ of letters, digits and _
// matches alone.
func exactPattern(p string) (string, bool) {
	p, ok1 := strings.CutPrefix(p, "^(")
	p, ok2 := strings.CutSuffix(p, ")$")
	plain := !strings.ContainsFunc(p, func(c rune) bool {
		return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
	return p, ok1 && ok2 && plain && p != ""
}

// equalities reads {$eq: x} and {$in: [x, …]}.
func equalities(cond bson.Raw) ([]string, bool) {
	if s, ok := hintText(value.Lookup(cond, "$eq")); ok {
		return []string{s}, true
	}
	in := value.Lookup(cond, "$in")
	if !in.IsArray() {
		return nil, false
	}
	list := []string{}
	for it := value.Walk(in.Doc()); it.Next(); {
		s, ok := hintText(it.Value())
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

func hintText(v value.Value) (string, bool) {
	switch {
	case v.IsString():
		return strings.Clone(v.Str()), true
	case v.IsNumber():
		return strconv.FormatInt(v.AsInt64(), 10), true
	}
	return "", false
}

// admits tells whether rows with this OID in a column can matter.
func (h hint) admits(column string, oid uint32) bool {
	return h.admitsText(column, strconv.FormatUint(uint64(oid), 10))
}

func (h hint) admitsText(column string, texts ...string) bool {
	list, ok := h[column]
	if !ok {
		return true
	}
	for _, s := range list {
		for _, t := range texts {
			if s == t {
				return true
			}
		}
	}
	return false
}

// anyOf tells whether one of the OIDs that a column is compared with will do.
func (h hint) anyOf(column string, test func(oid uint32) bool) bool {
	for _, s := range h[column] {
		if n, err := strconv.ParseUint(s, 10, 32); err == nil && test(uint32(n)) {
			return true
		}
	}
	return false
}
