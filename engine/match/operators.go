package match

import (
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// operators reads {$op: value, …}.
func (p *parser) operators(path Path, doc bson.Raw) ([]Node, error) {
	var out []Node
	for it := value.Walk(doc); it.Next(); {
		n, err := p.operator(path, it.Key(), it.Value(), doc)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out = append(out, n)
		}
	}
	return out, nil
}

func (p *parser) operator(path Path, name string, v value.Value, doc bson.Raw) (Node, error) {
	switch name {
	case "$eq", "$gt", "$gte", "$lt", "$lte":
		return p.comparison(path, name, v)
	case "$ne":
		if v.Kind() == bson.TypeRegex {
			return nil, bad("Can't have regex as arg to $ne.")
		}
		n, err := p.comparison(path, "$eq", v)
		return &Not{n}, err
	case "$in":
		return p.in(path, v)
	case "$nin":
		n, err := p.in(path, v)
		return &Not{n}, err
	case "$not":
		return p.not(path, v)
	case "$exists":
		if v.Truthy() {
			return &Exists{path}, nil
		}
		return &Not{&Exists{path}}, nil
	case "$type":
		return p.typeOf(path, v)
	case "$size":
		return p.size(path, v)
	case "$mod":
		return p.mod(path, v)
	case "$regex":
		return p.regex(path, doc)
	case "$options":
		if value.Lookup(doc, "$regex").IsMissing() {
			return nil, bad("$options needs a $regex")
		}
		return nil, nil
	case "$all":
		return p.all(path, v)
	case "$elemMatch":
		return p.elemMatch(path, v)
	case "$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear":
		return p.bits(path, name, v)
	case "$comment":
		return nil, nil
	}
	return nil, bad("unknown operator: %s", name)
}

func (p *parser) comparison(path Path, name string, v value.Value) (Node, error) {
	switch v.Kind() {
	case bson.TypeUndefined:
		return nil, bad("cannot compare to undefined")
	case bson.TypeRegex:
		if name != "$eq" {
			return nil, bad("Can't have RegEx as arg to predicate over field '%s'.", path.Text)
		}
	}
	return p.compare(path, comparisons[name], v), nil
}

var comparisons = map[string]Op{"$eq": Eq, "$lt": Lt, "$lte": Lte, "$gt": Gt, "$gte": Gte}

// smallList is how long a list of $in is searched rather than hashed.
const smallList = 8

func (p *parser) in(path Path, v value.Value) (Node, error) {
	if !v.IsArray() {
		return nil, bad("$in needs an array")
	}
	n := &In{Path: path, Collation: p.opts.Collation}
	for it := value.Walk(v.Doc()); it.Next(); {
		x := it.Value()
		switch x.Kind() {
		case bson.TypeEmbeddedDocument:
			if isOperators(x.Doc()) {
				return nil, bad("cannot nest $ under $in")
			}
		case bson.TypeUndefined:
			return nil, bad("InMatchExpression equality cannot be undefined")
		case bson.TypeRegex:
			r, err := newRegex(path, x)
			if err != nil {
				return nil, err
			}
			n.Patterns = append(n.Patterns, r)
			continue
		case bson.TypeNull:
			n.hasNull = true
		}
		n.Values = append(n.Values, x)
	}
	if len(n.Values) == 1 && len(n.Patterns) == 0 {
		return p.compare(path, Eq, n.Values[0]), nil
	}
	if len(n.Values) > smallList {
		n.set = make(map[uint64][]value.Value, len(n.Values))
		for _, x := range n.Values {
			h := value.HashCollated(0, x, n.Collation)
			n.set[h] = append(n.set[h], x)
		}
	}
	return n, nil
}

func (p *parser) not(path Path, v value.Value) (Node, error) {
	switch v.Kind() {
	case bson.TypeRegex:
		n, err := newRegex(path, v)
		return &Not{n}, err
	case bson.TypeEmbeddedDocument:
	default:
		return nil, bad("$not needs a regex or a document")
	}
	it := value.Walk(v.Doc())
	if !it.Next() {
		return nil, bad("$not cannot be empty")
	}
	if !isOperators(v.Doc()) {
		return nil, bad("unknown operator: %s", it.Key())
	}
	of, err := p.operators(path, v.Doc())
	if err != nil {
		return nil, err
	}
	return &Not{&And{of}}, nil
}

func (p *parser) typeOf(path Path, v value.Value) (Node, error) {
	n := &Type{Path: path}
	if !v.IsArray() {
		return n, n.add(v)
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		if err := n.add(it.Value()); err != nil {
			return nil, err
		}
	}
	if len(n.Types) == 0 && !n.Number {
		return nil, mongoerr.New(mongoerr.FailedToParse, "%s must match at least one type", path.Text)
	}
	return n, nil
}

func (n *Type) add(v value.Value) error {
	switch {
	case v.IsString():
		if v.Str() == "number" {
			n.Number = true
			return nil
		}
		t, ok := value.TypeNamed(v.Str())
		if !ok {
			return bad("Unknown type name alias: %s", v.Str())
		}
		n.Types = append(n.Types, t)
	case v.IsNumber():
		i, ok := v.Integral()
		t, known := value.TypeNumbered(i)
		if !ok || !known {
			return bad("Invalid numerical type code: %s", v)
		}
		n.Types = append(n.Types, t)
	default:
		return mongoerr.New(mongoerr.TypeMismatch, "type must be represented as a number or a string")
	}
	return nil
}

func (p *parser) size(path Path, v value.Value) (Node, error) {
	n, ok := v.Integral()
	switch {
	case !v.IsNumber():
		return nil, bad("Failed to parse $size. Expected a number in: $size: %s", v)
	case !ok || v.Kind() == bson.TypeDecimal128 || n > math.MaxInt32:
		return nil, bad("Failed to parse $size. Expected an integer: $size: %s", v)
	case n < 0:
		return nil, bad("Failed to parse $size. Expected a non-negative number in: $size: %s", v)
	}
	return &Size{path, n}, nil
}

func (p *parser) mod(path Path, v value.Value) (Node, error) {
	if !v.IsArray() {
		return nil, bad("malformed mod, needs to be an array")
	}
	items := value.Items(nil, v.Doc())
	switch {
	case len(items) < 2:
		return nil, bad("malformed mod, not enough elements")
	case len(items) > 2:
		return nil, bad("malformed mod, too many elements")
	case !items[0].IsNumber():
		return nil, bad("malformed mod, divisor not a number")
	case !items[1].IsNumber():
		return nil, bad("malformed mod, remainder not a number")
	}
	for i, what := range []string{"divisor", "remainder"} {
		if f, k := items[i].AsDouble(), items[i].Kind(); k != bson.TypeInt64 && (f != f || f >= 1<<63 || f < -1<<63) {
			return nil, bad("malformed mod, %s value is invalid :: caused by :: Out of bounds", what)
		}
	}
	n := &Mod{path, items[0].AsInt64(), items[1].AsInt64()}
	if n.Divisor == 0 {
		return nil, bad("divisor cannot be 0")
	}
	return n, nil
}

// regex reads $regex together with $options, wherever that stands.
func (p *parser) regex(path Path, doc bson.Raw) (Node, error) {
	re, opts := value.Lookup(doc, "$regex"), value.Lookup(doc, "$options")
	options := ""
	if !opts.IsMissing() {
		if !opts.IsString() {
			return nil, bad("$options has to be a string")
		}
		options = opts.Str()
	}
	switch re.Kind() {
	case bson.TypeString:
		return compileRegex(path, re.Str(), options)
	case bson.TypeRegex:
		pattern, own := re.AsRegex()
		if own != "" && !opts.IsMissing() {
			return nil, mongoerr.New(51075, "options set in both $regex and $options")
		}
		return compileRegex(path, pattern, own+options)
	}
	return nil, bad("$regex has to be a string")
}

func newRegex(path Path, v value.Value) (*Regex, error) {
	pattern, options := v.AsRegex()
	return compileRegex(path, pattern, options)
}

func compileRegex(path Path, pattern, options string) (*Regex, error) {
	if strings.IndexByte(pattern, 0) >= 0 {
		return nil, bad("Regular expression cannot contain an embedded null byte")
	}
	if strings.IndexByte(options, 0) >= 0 {
		return nil, bad("Regular expression options string cannot contain an embedded null byte")
	}
	for _, o := range options {
		if !strings.ContainsRune("imsxu", o) {
			return nil, mongoerr.New(51108, "invalid flag in regex options: %c", o)
		}
	}
	re, err := expr.CompilePattern(pattern, options)
	if err != nil {
		return nil, mongoerr.New(51091, "Regular expression is invalid: %v", err)
	}
	return &Regex{path, pattern, options, re}, nil
}

func (p *parser) all(path Path, v value.Value) (Node, error) {
	if !v.IsArray() {
		return nil, bad("$all needs an array")
	}
	all := &And{}
	elems := 0
	for it := value.Walk(v.Doc()); it.Next(); {
		n, isElem, err := p.allItem(path, it.Value(), elems > 0)
		if err != nil {
			return nil, err
		}
		if isElem {
			elems++
		}
		all.Of = append(all.Of, n)
	}
	switch {
	case len(all.Of) == 0:
		return &Always{false}, nil
	case elems > 0 && elems < len(all.Of):
		return nil, bad("no $ expressions in $all")
	}
	return all, nil
}

func (p *parser) allItem(path Path, v value.Value, afterElem bool) (n Node, isElem bool, err error) {
	switch v.Kind() {
	case bson.TypeEmbeddedDocument:
		it := value.Walk(v.Doc())
		if it.Next() && it.Key() == "$elemMatch" {
			n, err = p.elemMatch(path, it.Value())
			return n, true, err
		}
		if afterElem {
			return nil, false, bad("$all/$elemMatch has to be consistent")
		}
		if isOperators(v.Doc()) {
			return nil, false, bad("no $ expressions in $all")
		}
	case bson.TypeRegex:
		n, err = newRegex(path, v)
		return n, false, err
	case bson.TypeUndefined:
		return nil, false, bad("cannot compare to undefined")
	}
	if afterElem {
		return nil, false, bad("$all/$elemMatch has to be consistent")
	}
	return p.compare(path, Eq, v), false, nil
}

// elemMatch reads {$elemMatch: {$op: …}} about values, and
// {$elemMatch: {field: …}} about documents.
func (p *parser) elemMatch(path Path, v value.Value) (Node, error) {
	if !v.IsDocument() {
		return nil, bad("$elemMatch needs an Object")
	}
	defer func(inner bool) { p.inner = inner }(p.inner)
	p.inner = true
	if isValueMatch(v.Doc()) {
		of, err := p.operators(Path{}, v.Doc())
		if err != nil {
			return nil, err
		}
		return &ElemMatchValue{path, of}, nil
	}
	of, err := p.filter(v.Doc())
	if err != nil {
		return nil, err
	}
	return &ElemMatch{path, of}, nil
}

func isValueMatch(doc bson.Raw) bool {
	it := value.Walk(doc)
	if !it.Next() || !isOperators(doc) {
		return false
	}
	switch it.Key() {
	case "$and", "$or", "$nor", "$where", "$expr", "$jsonSchema", "$alwaysTrue", "$alwaysFalse", "$sampleRate", "$text":
		return false
	}
	return true
}

var bitsOps = map[string]BitsOp{"$bitsAllSet": AllSet, "$bitsAllClear": AllClear, "$bitsAnySet": AnySet, "$bitsAnyClear": AnyClear}

func (p *parser) bits(path Path, name string, v value.Value) (Node, error) {
	n := &Bits{Path: path, Op: bitsOps[name]}
	switch {
	case v.IsArray():
		return n, n.addPositions(name, v.Doc())
	case v.IsNumber():
		mask, err := bitMask(name, v)
		for i := range uint32(64) {
			if mask>>i&1 == 1 {
				n.Positions = append(n.Positions, i)
			}
		}
		return n, err
	case v.Kind() == bson.TypeBinary:
		_, data := v.AsBinary()
		for i := range uint32(len(data) * 8) {
			if data[i/8]>>(i%8)&1 == 1 {
				n.Positions = append(n.Positions, i)
			}
		}
		return n, nil
	}
	return nil, bad("%s: takes an Array, a number, or a BinData but received: %s: %s", name, name, v)
}

func bitMask(name string, v value.Value) (int64, error) {
	mask, ok := v.Integral()
	switch {
	case !ok:
		return 0, mongoerr.New(mongoerr.FailedToParse, "Expected an integer: %s: %s", name, v)
	case mask < 0:
		return 0, mongoerr.New(mongoerr.FailedToParse, "Expected a non-negative number in: %s: %s", name, v)
	}
	return mask, nil
}

func (n *Bits) addPositions(name string, arr bson.Raw) error {
	for it := value.Walk(arr); it.Next(); {
		v := it.Value()
		i, ok := v.Integral()
		switch {
		case !v.IsNumber():
			return bad("bit positions must be an integer but got: %s", v)
		case !ok || i > math.MaxInt32:
			return bad("bit positions cannot be represented as a 32-bit signed integer: %s", v)
		case i < 0:
			return bad("bit positions must be >= 0 but got: %s", v)
		}
		n.Positions = append(n.Positions, uint32(i))
	}
	return nil
}
