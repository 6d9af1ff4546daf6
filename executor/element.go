package executor

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/translator"
)

// elementStage is the $set stage that assigns a value through items of arrays.
// What is no array on the way becomes one, and items that are not there null,
// as PostgreSQL extends arrays.
func elementStage(t translator.WriteTarget, v value.Value) value.Value {
	var lit value.Builder
	lit.Add("$literal", v)
	path := elementPath{names: t.Path, elems: t.Elems}
	x := path.assign(1, value.String("$"+t.Path[0]), lit.DocumentOf())
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$set")
	b.Add(t.Path[0], x)
	b.Close()
	return b.DocumentOf()
}

type elementPath struct {
	names []string
	elems uint64
}

// assign is the expression that gives cur with the value put below it. Each
// level names cur once in a $let, so that the expression stays as long as the path.
func (p elementPath) assign(level int, cur, v value.Value) value.Value {
	if level == len(p.names) {
		return v
	}
	name := "w" + strconv.Itoa(level)
	at := value.String("$$" + name)
	if p.elems&(1<<level) == 0 {
		below := p.assign(level+1, value.String("$$"+name+"."+p.names[level]), v)
		var one value.Builder
		one.Add(p.names[level], below)
		return let(name, call("$cond", call("$eq", call1("$type", cur), value.String("object")), cur, value.Document(value.EmptyDocument)),
			call("$mergeObjects", at, one.DocumentOf()))
	}
	n, _ := strconv.Atoi(p.names[level])
	i := value.Int32(int32(n))
	below := p.assign(level+1, call("$arrayElemAt", at, i), v)
	pad := call1("$map", object("input", call("$range", call1("$size", at), i), "in", value.Null()))
	parts := []value.Value{pad, value.ArrayFrom([]value.Value{below})}
	if n > 0 {
		parts = append([]value.Value{call("$slice", at, i)}, parts...)
	}
	parts = append(parts, call1("$slice", value.ArrayFrom([]value.Value{at, value.Int32(int32(n + 1)), value.Int32(1<<31 - 1)})))
	return let(name, call("$cond", call1("$isArray", cur), cur, value.ArrayFrom(nil)), call("$concatArrays", parts...))
}

func let(name string, v, in value.Value) value.Value {
	return call1("$let", object("vars", object(name, v), "in", in))
}

func call(op string, args ...value.Value) value.Value { return call1(op, value.ArrayFrom(args)) }

func call1(op string, arg value.Value) value.Value {
	var b value.Builder
	b.Add(op, arg)
	return b.DocumentOf()
}

func object(pairs ...any) value.Value {
	var b value.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.Add(pairs[i].(string), pairs[i+1].(value.Value))
	}
	return b.DocumentOf()
}

// throughItems tells whether a target's path goes through items of arrays.
func throughItems(t translator.WriteTarget) bool { return t.Elems != 0 }
