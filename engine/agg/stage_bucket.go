package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// bucketSpec is the specification of $bucket.
type bucketSpec struct {
	groupBy    value.Value
	boundaries []value.Value
	fallback   value.Value // default
	output     value.Value
}

// compileBucket compiles $bucket as a $group by the lower boundary and a $sort.
func compileBucket(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40201, "Argument to $bucket stage must be an object, but found type: %s.", value.TypeName(spec.Type))
	}
	var b bucketSpec
	for it := value.Walk(spec.Value); it.Next(); {
		if err := b.field(c, it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	if b.groupBy.IsMissing() || b.boundaries == nil {
		return nil, mongoerr.New(40198, "$bucket requires 'groupBy' and 'boundaries' to be specified.")
	}
	if err := b.checkDefault(c); err != nil {
		return nil, err
	}
	var sort value.Builder
	sort.Add("_id", value.Int32(1))
	group, err := c.several(stageSpec{"$group", b.group()}, stageSpec{"$sort", sort.Doc()})
	if err != nil {
		return nil, err
	}
	return group, nil
}

func (b *bucketSpec) field(c *compiler, key string, v value.Value) error {
	switch key {
	case "groupBy":
		if !isExpressionSpec(v) {
			return mongoerr.New(40202, "The $bucket 'groupBy' field must be defined as a $-prefixed path or an expression, but found: %s.", v)
		}
		b.groupBy = v
	case "boundaries":
		return b.setBoundaries(c, v)
	case "default":
		b.fallback = v
	case "output":
		if !v.IsDocument() {
			return mongoerr.New(40196, "The $bucket 'output' field must be an object, but found type: %s.", value.TypeName(v.Kind()))
		}
		b.output = v
	default:
		return mongoerr.New(40197, "Unrecognized option to $bucket: %s.", key)
	}
	return nil
}

// isExpressionSpec tells whether a value is a path or an operator expression.
func isExpressionSpec(v value.Value) bool {
	if v.IsString() {
		return strings.HasPrefix(v.Str(), "$")
	}
	return v.IsDocument()
}

func (b *bucketSpec) setBoundaries(c *compiler, v value.Value) error {
	if !v.IsArray() {
		return mongoerr.New(40200, "The $bucket 'boundaries' field must be an array, but found type: %s.", value.TypeName(v.Kind()))
	}
	b.boundaries = []value.Value{}
	for it := value.Walk(v.Doc()); it.Next(); {
		e, err := c.expr(it.Value().RawValue())
		if err != nil {
			return err
		}
		k, ok := expr.Constant(e)
		if !ok {
			return mongoerr.New(40191, "The $bucket 'boundaries' field must be an array of constant values, but found value: %s.", it.Value())
		}
		b.boundaries = append(b.boundaries, k)
	}
	if n := len(b.boundaries); n < 2 {
		return mongoerr.New(40192, "The $bucket 'boundaries' field must have at least 2 values, but found %d value(s).", n)
	}
	for i := 1; i < len(b.boundaries); i++ {
		lo, hi := b.boundaries[i-1], b.boundaries[i]
		if value.Class(lo.Kind()) != value.Class(hi.Kind()) {
			return mongoerr.New(40193, "All values in the the 'boundaries' option to $bucket must have the same type. Found conflicting types %s and %s.", value.TypeName(lo.Kind()), value.TypeName(hi.Kind()))
		}
		if value.CompareCollated(lo, hi, c.env.Collation) >= 0 {
			return mongoerr.New(40194, "The 'boundaries' option to $bucket must be sorted, but elements %d and %d are not in ascending order (%s is not less than %s).", i-1, i, lo, hi)
		}
	}
	return nil
}

func (b *bucketSpec) checkDefault(c *compiler) error {
	if b.fallback.IsMissing() {
		return nil
	}
	e, err := c.expr(b.fallback.RawValue())
	if err != nil {
		return err
	}
	v, ok := expr.Constant(e)
	if !ok {
		return mongoerr.New(40195, "The $bucket 'default' field must be a constant expression, but found: %s.", b.fallback)
	}
	lo, hi := b.boundaries[0], b.boundaries[len(b.boundaries)-1]
	if value.CompareCollated(v, lo, c.env.Collation) >= 0 && value.CompareCollated(v, hi, c.env.Collation) < 0 {
		return mongoerr.New(40199, "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.")
	}
	b.fallback = v
	return nil
}

// group writes the $group: its _id is a $switch over the boundaries.
func (b *bucketSpec) group() bson.Raw {
	var g value.Builder
	g.Open(bson.TypeEmbeddedDocument, "_id")
	g.Open(bson.TypeEmbeddedDocument, "$switch")
	g.Open(bson.TypeArray, "branches")
	for i := 1; i < len(b.boundaries); i++ {
		g.OpenItem(bson.TypeEmbeddedDocument)
		g.Open(bson.TypeEmbeddedDocument, "case")
		g.Open(bson.TypeArray, "$and")
		for j, op := range []string{"$gte", "$lt"} {
			g.OpenItem(bson.TypeEmbeddedDocument)
			g.Open(bson.TypeArray, op)
			g.Item(b.groupBy)
			g.Item(literal(b.boundaries[i-1+j]))
			g.Close()
			g.Close()
		}
		g.Close()
		g.Close()
		g.Add("then", literal(b.boundaries[i-1]))
		g.Close()
	}
	g.Close()
	if !b.fallback.IsMissing() {
		g.Add("default", literal(b.fallback))
	}
	g.Close()
	g.Close()
	b.addOutput(&g)
	return g.Doc()
}

func (b *bucketSpec) addOutput(g *value.Builder) {
	if b.output.IsMissing() {
		g.Open(bson.TypeEmbeddedDocument, "count")
		g.Add("$sum", value.Int32(1))
		g.Close()
		return
	}
	for it := value.Walk(b.output.Doc()); it.Next(); {
		g.AddElement(it.Element())
	}
}

func literal(v value.Value) value.Value {
	var b value.Builder
	b.Add("$literal", v)
	return b.DocumentOf()
}
