package agg

import (
	"bytes"
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// densifyStage is $densify: it adds documents where a sequence has gaps.
type densifyStage struct {
	field  []string
	parts  [][]string // partitionByFields
	step   value.Value
	unit   string
	add    *dateAdd // nil: numbers
	bounds string   // full, partition or explicit
	lo, hi value.Value
}

// maxGenerated is how many documents one $densify may make.
const maxGenerated = 500_000

func compileDensify(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, failParse("The $densify stage specification must be an object, found %s", value.TypeName(spec.Type))
	}
	s := &densifyStage{}
	var rng value.Value
	for it := value.Walk(spec.Value); it.Next(); {
		v := it.Value()
		var err error
		switch it.Key() {
		case "field":
			if !v.IsString() {
				return nil, wrongType("$densify", "field", v.Kind(), "string")
			}
			s.field, err = splitPath(v.Str())
		case "partitionByFields":
			err = s.setPartitions(v)
		case "range":
			if rng = v; !v.IsDocument() {
				return nil, wrongType("$densify", "range", v.Kind(), "object")
			}
		default:
			err = unknownField("$densify", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	if s.field == nil {
		return nil, missingField("$densify", "field")
	}
	if rng.IsMissing() {
		return nil, missingField("$densify", "range")
	}
	if err := s.setRange(rng.Doc()); err != nil {
		return nil, err
	}
	return []stage{s}, s.checkPartitions()
}

func (s *densifyStage) setPartitions(v value.Value) error {
	if !v.IsArray() {
		return wrongType("$densify", "partitionByFields", v.Kind(), "array")
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		if !it.Value().IsString() {
			return wrongType("$densify", "partitionByFields", it.Kind(), "string")
		}
		path, err := splitPath(it.Value().Str())
		if err != nil {
			return err
		}
		s.parts = append(s.parts, path)
	}
	return nil
}

func (s *densifyStage) checkPartitions() error {
	if len(s.parts) == 0 && s.bounds == "partition" {
		return mongoerr.New(5733408, "one may not specify the bounds as 'partition' without specifying a non-empty array of partitionByFields. You may have meant to specify 'full' bounds.")
	}
	for _, p := range s.parts {
		a, b := strings.Join(p, "."), strings.Join(s.field, ".")
		switch {
		case a == b || strings.HasPrefix(a, b+"."):
			return mongoerr.New(8993000, "BSON field '$densify.partitionByFields' contains the field that is being densified")
		case strings.HasPrefix(b, a+"."):
			return mongoerr.New(9554500, "The field that is being densified contains the BSON field '$densify.partitionByFields'")
		}
	}
	return nil
}

func (s *densifyStage) setRange(doc bson.Raw) error {
	var bounds, unit value.Value
	for it := value.Walk(doc); it.Next(); {
		switch it.Key() {
		case "step":
			s.step = it.Value()
		case "unit":
			unit = it.Value()
		case "bounds":
			bounds = it.Value()
		default:
			return unknownField("$densify.range", it.Key())
		}
	}
	if s.step.IsMissing() {
		return missingField("$densify.range", "step")
	}
	if bounds.IsMissing() {
		return missingField("$densify.range", "bounds")
	}
	if !s.step.IsNumber() {
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field '$densify.range.step' is the wrong type '%s', expected types '[int, decimal, double, long]'", value.TypeName(s.step.Kind()))
	}
	if s.step.Sign() <= 0 {
		return mongoerr.New(5733401, "the step parameter in a range statement must be a strictly positive numeric value")
	}
	if !unit.IsMissing() {
		if err := s.setUnit(unit); err != nil {
			return err
		}
	}
	return s.setBounds(bounds)
}

func (s *densifyStage) setUnit(v value.Value) (err error) {
	if !v.IsString() {
		return wrongType("$densify.range", "unit", v.Kind(), "string")
	}
	if _, ok := s.step.Integral(); !ok {
		return mongoerr.New(6586400, "The step parameter in a range statement must be a whole number when densifying a date range")
	}
	s.unit = v.Str()
	s.add, err = newDateAdd(s.unit)
	return err
}

func (s *densifyStage) setBounds(v value.Value) error {
	switch {
	case v.IsString() && (v.Str() == "full" || v.Str() == "partition"):
		s.bounds = v.Str()
		return nil
	case v.IsString():
		return mongoerr.New(5946802, "Bounds string must either be 'full' or 'partition'")
	case !v.IsArray():
		return mongoerr.New(5733404, "The bounds in a range statement must be the string 'full', 'partition', or an ascending array of two numbers or two dates")
	case value.Len(v.Doc()) != 2:
		return mongoerr.New(5733403, "a bounding array in a range statement must have exactly two elements")
	}
	s.bounds, s.lo, s.hi = "explicit", value.Index(v.Doc(), 0), value.Index(v.Doc(), 1)
	return s.checkBounds()
}

// checkBounds looks at an explicit range.
func (s *densifyStage) checkBounds() error {
	switch {
	case value.Compare(s.lo, s.hi) > 0:
		return mongoerr.New(5733402, "a bounding array must be an ascending array of either two dates or two numbers")
	case s.lo.IsNumber() && s.add != nil:
		return mongoerr.New(5733409, "numeric bounds may not have unit parameter")
	case s.lo.IsNumber() && !s.hi.IsNumber():
		return mongoerr.New(5733406, "a bounding array must contain either both dates or both numeric types")
	case s.lo.IsNumber() && (s.lo.Kind() != s.hi.Kind() || s.lo.Kind() != s.step.Kind()):
		return mongoerr.New(5876900, "Upper bound, lower bound, and step must all have the same type")
	case s.lo.IsNumber():
		return nil
	case s.lo.Kind() != bson.TypeDateTime:
		return mongoerr.New(5946800, "Explicit bounds must be numeric or dates")
	case s.hi.Kind() != bson.TypeDateTime:
		return mongoerr.New(5733405, "a bounding array must contain either both dates or both numeric types")
	case s.add == nil:
		return mongoerr.New(5733410, "a bounding array of dates must specify a unit")
	}
	return nil
}

func (s *densifyStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &blocking{piped: piped{in}, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		c := &densifyCursor{s: s}
		sorter := &sorter{r: r}
		var key []byte
		err := drain(ctx, in, func(doc bson.Raw) error {
			v, err := c.scan(doc)
			if err != nil {
				return err
			}
			key = value.AppendSortKey(s.partition(key[:0], doc), orNull(v), false)
			return sorter.add(key, doc)
		})
		if err != nil {
			sorter.discard()
			return nil, err
		}
		c.in, err = sorter.finish()
		return c, err
	}}, nil
}

func (s *densifyStage) partition(dst []byte, doc bson.Raw) []byte {
	for _, p := range s.parts {
		dst = value.AppendSortKey(dst, getPlain(doc, p), false)
	}
	return dst
}

// densifyCursor goes through the sorted documents and puts the missing ones
// between them.
type densifyCursor struct {
	piped
	s        *densifyStage
	min, max value.Value // of all documents
	made     int

	part    []byte   // key of the current partition
	model   bson.Raw // a document of it, for its fields
	at      value.Value
	active  bool     // at is the next value of the current partition
	pending bson.Raw // a document read and not yet given out
	pv      value.Value
	ended   bool
	any     bool
	begun   bool // the current partition has had a value
	closing bool // the current partition gets its last documents
}

// scan checks the field of a document and widens the full range.
func (c *densifyCursor) scan(doc bson.Raw) (value.Value, error) {
	v := getPlain(doc, c.s.field)
	if v.IsNullish() {
		return v, nil
	}
	date := v.Kind() == bson.TypeDateTime
	switch {
	case !date && !v.IsNumber():
		return v, mongoerr.New(5733201, "Densify field type must be numeric or a date, found %s", value.TypeName(v.Kind()))
	case c.s.add != nil && !date:
		return v, mongoerr.New(6053600, "Encountered numeric densify value in collection when step has a date unit.")
	case c.s.add == nil && date:
		return v, mongoerr.New(6053600, "Encountered date densify value in collection when step does not have a date unit.")
	}
	if c.min.IsMissing() || value.Compare(v, c.min) < 0 {
		c.min = v.Clone()
	}
	if c.max.IsMissing() || value.Compare(v, c.max) > 0 {
		c.max = v.Clone()
	}
	return v, nil
}

func (c *densifyCursor) Next(ctx context.Context) (bson.Raw, error) {
	for {
		if c.pending == nil && !c.ended {
			if err := c.read(ctx); err != nil {
				return nil, err
			}
		}
		switch {
		case c.closing:
			if doc, err := c.generate(c.beforeEnd); doc != nil || err != nil {
				return doc, err
			}
			c.closing, c.active, c.begun = false, false, false
			if c.ended {
				return nil, errEnd
			}
		case c.ended:
			return nil, errEnd
		default:
			return c.step()
		}
	}
}

// read gets the next document and notices the end of a partition.
func (c *densifyCursor) read(ctx context.Context) error {
	doc, err := c.in.Next(ctx)
	if err == errEnd {
		c.ended = true
		if !c.begun && len(c.s.parts) == 0 && c.s.bounds == "explicit" {
			c.at, c.active = c.s.lo, true
		}
		c.closing = true
		return nil
	}
	if err != nil {
		return err
	}
	c.pending = clone(doc)
	c.pv = getPlain(c.pending, c.s.field)
	key := c.s.partition(nil, doc)
	switch {
	case !c.any:
		c.part, c.any = key, true
	case !bytes.Equal(key, c.part):
		c.part, c.closing = key, true
	}
	return nil
}

// begin starts a partition at its first document that has a value; documents
// without one only pass through.
func (c *densifyCursor) begin() {
	c.model, c.begun, c.active = c.pending, true, true
	switch c.s.bounds {
	case "explicit":
		c.at = c.s.lo
	case "full":
		c.at = c.min
	default:
		c.at = c.pv
	}
}

// step gives out what comes before the pending document, then that.
func (c *densifyCursor) step() (bson.Raw, error) {
	if !c.pv.IsNullish() {
		if !c.begun {
			c.begin()
		}
		doc, err := c.generate(func(at value.Value) bool { return value.Compare(at, c.pv) < 0 && c.beforeEnd(at) })
		if doc != nil || err != nil {
			return doc, err
		}
		if c.active && value.Compare(c.at, c.pv) == 0 {
			if err := c.advance(); err != nil {
				return nil, err
			}
		}
	}
	doc := c.pending
	c.pending = nil
	return doc, nil
}

// beforeEnd tells whether a value may still be made in this partition.
func (c *densifyCursor) beforeEnd(at value.Value) bool {
	switch c.s.bounds {
	case "explicit":
		return value.Compare(at, c.s.hi) < 0
	case "full":
		return value.Compare(at, c.max) <= 0
	}
	return !c.closing
}

// generate makes a document for the next value if it is allowed.
func (c *densifyCursor) generate(ok func(value.Value) bool) (bson.Raw, error) {
	if !c.active || !ok(c.at) {
		return nil, nil
	}
	if c.made++; c.made > maxGenerated {
		return nil, mongoerr.New(5897900, "Generated %d documents in $densify, which is over the limit of %d. Increase the 'step' or use a smaller range", c.made, maxGenerated)
	}
	doc := bson.Raw(value.EmptyDocument)
	for _, p := range c.s.parts {
		doc = setPath(nil, doc, p, getPlain(c.model, p))
	}
	doc = setPath(nil, doc, c.s.field, c.at)
	return doc, c.advance()
}

func (c *densifyCursor) advance() (err error) {
	if c.s.add == nil {
		c.at = value.Add(c.at, c.s.step)
		return nil
	}
	c.at, err = c.s.add.add(c.at, c.s.step)
	return err
}
