package translator

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// placeholder stands in a pipeline for something that Bind knows. It is encoded
// as binary data of a subtype that documents do not use.
type placeholder struct {
	kind placeholderKind
	n    int
	// fine: the value may be fine, so that no store can
	// be given it. It is not encoded.
	fine bool
}

type placeholderKind byte

const (
	slotValue placeholderKind = iota // the value of slot n
	condition                        // the match condition n: {$op: value}
	limitRows                        // under $limit: the number in slot n
	skipRows                         // under $skip: the number in slot n
)

var placeholderMagic = []byte("\x00weir\xf5\x9a\x00")

const placeholderSubtype = 0xf5

func (p placeholder) encode() value.Value {
	b := append([]byte(nil), placeholderMagic...)
	b = append(b, byte(p.kind))
	return value.Binary(placeholderSubtype, binary.BigEndian.AppendUint32(b, uint32(p.n)))
}

func decodePlaceholder(v value.Value) (placeholder, bool) {
	if v.Kind() != bson.TypeBinary {
		return placeholder{}, false
	}
	sub, data := v.AsBinary()
	if sub != placeholderSubtype || len(data) != len(placeholderMagic)+5 || !bytes.HasPrefix(data, placeholderMagic) {
		return placeholder{}, false
	}
	data = data[len(placeholderMagic):]
	return placeholder{kind: placeholderKind(data[0]), n: int(binary.BigEndian.Uint32(data[1:]))}, true
}

// slot is a value that is computed once per execution, before the pipelines run.
type slot struct {
	param int           // $n, 0: none
	expr  bson.RawValue // over the slots before it, as fields named by slotField
	code  expr.Expr     // expr compiled
	reads []int         // the slots that expr reads
	init  *InitPlan     // the result of a subquery that does not depend on rows
	fail  error         // the constant fails
	late  bool          // needs an InitPlan, so it is computed by the executor
	pos   int
}

func slotField(n int) string { return "s" + strconv.Itoa(n) }

// slotNumber is the slot behind the name of a field.
func slotNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "s")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

// matchCond is a condition of the match language on slots. When a value turns
// out to be NULL it matches nothing, as SQL's comparisons do.
type matchCond struct {
	op    string // $eq $ne $gt $gte $lt $lte $in $nin any all
	slots []int
	fixed []value.Value // constants beside the slots, for $in and $nin
	// oid compares with ObjectIds: text that is none equals nothing.
	oid oidMode
}

// oidMode says what documents hold where SQL sees text.
type oidMode uint8

const (
	plainText  oidMode = iota
	onlyOID            // ObjectIds: compare as such
	oidAndText         // both: compare with either
)

// matchNothing is a condition that no value fulfils.
var matchNothing = encode(obj{{"$in", list{}}})

// append writes the condition with the slots' values in place.
func (m *matchCond) append(dst []byte, key string, slots []value.Value) []byte {
	doc := func(b bson.Raw) []byte { return value.AppendElement(dst, key, value.Document(b)) }
	switch m.op {
	case "$in", "$nin", "any", "all":
		return doc(m.list(slots))
	}
	v := slots[m.slots[0]]
	if v.IsNullish() {
		return doc(matchNothing)
	}
	if m.oid != plainText && (m.op == "$eq" || m.op == "$ne") {
		return doc(m.members([]value.Value{v}, m.op == "$ne"))
	}
	if m.op == "$ne" {
		return doc(encode(obj{{"$nin", list{v, null}}}))
	}
	if c := nanCondition(m.op, v); c != nil {
		return doc(encode(c))
	}
	return doc(encode(obj{{m.op, v}}))
}

func (m *matchCond) list(slots []value.Value) bson.Raw {
	not := m.op == "$nin" || m.op == "all"
	var values []value.Value
	if m.op == "any" || m.op == "all" {
		arr := slots[m.slots[0]]
		if !arr.IsArray() {
			return matchNothing
		}
		values = flatten(nil, arr)
	} else {
		values = append(values, m.fixed...)
		for _, s := range m.slots {
			values = append(values, slots[s])
		}
	}
	return m.members(values, not)
}

// flatten gives the elements of an array of any number of dimensions.
func flatten(dst []value.Value, arr value.Value) []value.Value {
	for it := value.Walk(arr.Doc()); it.Next(); {
		if v := it.Value(); v.IsArray() {
			dst = flatten(dst, v)
		} else {
			dst = append(dst, v)
		}
	}
	return dst
}

// members is the condition to be one of the values, or none and not NULL.
func (m *matchCond) members(values []value.Value, not bool) bson.Raw {
	in := list{}
	for _, v := range values {
		switch {
		case v.IsNullish():
			if not {
				return matchNothing
			}
			continue
		case m.oid != plainText:
			if o, ok := objectID(v); ok {
				in = append(in, o)
			}
			if m.oid == onlyOID {
				continue
			}
		}
		in = append(in, v)
	}
	if not {
		if len(in) == 0 && len(values) == 0 {
			return matchEverything
		}
		return encode(obj{{"$nin", append(in, null)}})
	}
	if len(in) == 1 {
		return encode(obj{{"$eq", in[0]}})
	}
	return encode(obj{{"$in", in}})
}

// matchEverything holds for every value: x <> ALL('{}') is true even for NULL.
var matchEverything = encode(obj{{"$nin", list{}}})

// objectID reads the text form of an ObjectId as it prints: 24 lower-case digits.
func objectID(v value.Value) (value.Value, bool) {
	if v.Kind() == bson.TypeObjectID {
		return v, true
	}
	if !v.IsString() || len(v.Str()) != 24 {
		return value.Value{}, false
	}
	o, err := bson.ObjectIDFromHex(v.Str())
	if err != nil || o.Hex() != v.Str() {
		return value.Value{}, false
	}
	return value.ObjectID(o), true
}

// filler replaces placeholders by values.
type filler struct {
	slots []value.Value
	conds []matchCond
	err   error
}

func (f *filler) doc(dst []byte, src bson.Raw) []byte {
	start, dst := value.BeginDocument(dst)
	for it := value.Walk(src); it.Next(); {
		switch it.Kind() {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			dst = value.AppendHeader(dst, it.Kind(), it.Key())
			dst = f.doc(dst, it.Value().Doc())
		case bson.TypeBinary:
			if p, ok := decodePlaceholder(it.Value()); ok {
				dst = f.fill(dst, it.Key(), p)
				continue
			}
			dst = append(dst, it.Element()...)
		default:
			dst = append(dst, it.Element()...)
		}
	}
	return value.EndDocument(dst, start)
}

func (f *filler) fill(dst []byte, key string, p placeholder) []byte {
	switch p.kind {
	case condition:
		return f.conds[p.n].append(dst, key, f.slots)
	case limitRows:
		return f.limit(dst, f.slots[p.n])
	case skipRows:
		return f.skip(dst, f.slots[p.n])
	}
	v := f.slots[p.n]
	if v.IsMissing() {
		v = value.Null()
	}
	return value.AppendElement(dst, key, v)
}

var matchNoDocument = encode(obj{{"$expr", false}})

func (f *filler) limit(dst []byte, v value.Value) []byte {
	switch n := v.AsInt64(); {
	case v.IsNullish():
		return value.AppendElement(dst, "$skip", value.Int64(0))
	case n < 0:
		f.fail(sqlerr.New(sqlerr.InvalidRowCountInLimit, "LIMIT must not be negative"))
		return dst
	case n == 0:
		return value.AppendElement(dst, "$match", value.Document(matchNoDocument))
	default:
		return value.AppendElement(dst, "$limit", value.Int64(n))
	}
}

func (f *filler) skip(dst []byte, v value.Value) []byte {
	n := int64(0)
	if !v.IsNullish() {
		n = v.AsInt64()
	}
	if n < 0 {
		f.fail(sqlerr.New(sqlerr.InvalidRowCountInOffset, "OFFSET must not be negative"))
		n = 0
	}
	return value.AppendElement(dst, "$skip", value.Int64(n))
}

func (f *filler) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}
