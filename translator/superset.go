package translator

import (
	"strings"

	"weir/planner"
	"weir/sqltype"
)

// superset is a filter that the store can test for a condition that it cannot
// test exactly: it lets all rows pass for which the condition may be true, so
// that fewer come here. nil if there is none.
func (s scope) superset(e planner.Expr) obj {
	if doc := s.fineSuperset(e); doc != nil {
		return doc
	}
	switch e := e.(type) {
	case *planner.Call:
		if e.Func.Impl != "eq" || len(e.Args) != 2 {
			return nil
		}
		return s.fieldText(e.Args[0], e.Args[1:])
	case *planner.InList:
		if e.Not || e.Eq.Impl != "eq" {
			return nil
		}
		return s.fieldText(e.X, e.List)
	}
	return nil
}

// fieldText is doc ->> 'name' = text: the field is that text, or no string at
// all, which may print as it.
func (s scope) fieldText(e planner.Expr, texts []planner.Expr) obj {
	call, ok := e.(*planner.Call)
	if !ok || call.Func.Impl != "jsonb_object_field_text" || len(call.Args) != 2 {
		return nil
	}
	path, ok := s.fieldPath(call)
	if !ok {
		return nil
	}
	in := list{}
	for _, t := range texts {
		k, ok := t.(*planner.Const)
		if !ok || !k.Value.IsString() {
			return nil
		}
		in = append(in, k.Value)
	}
	types := list{"number", "bool", "date", "objectId", "binData", "timestamp", "object", "array", "regex", "javascript", "symbol", "minKey", "maxKey", "undefined"}
	return obj{{"$or", list{
		obj{{path, obj{{"$in", in}}}},
		obj{{path, obj{{"$type", types}}}},
	}}}
}

// fieldPath is the dotted path of doc -> 'a' ->> 'b' below a column.
func (s scope) fieldPath(e planner.Expr) (string, bool) {
	switch e := e.(type) {
	case *planner.ColRef:
		if l := s.f.find(e.ID); l != nil && e.T.OID == sqltype.JSONB {
			return l.queryPath()
		}
	case *planner.Call:
		if e.Func.Impl != "jsonb_object_field" && e.Func.Impl != "jsonb_object_field_text" || len(e.Args) != 2 {
			return "", false
		}
		name, ok := constText(e.Args[1])
		if !ok || !plainName(name) || strings.Trim(name, "0123456789") == "" {
			return "", false
		}
		path, ok := s.fieldPath(e.Args[0])
		return path + "." + name, ok
	}
	return "", false
}
