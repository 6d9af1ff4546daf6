package index

import (
	"bytes"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
)

// Range is a range of keys, High exclusive.
type Range struct{ Low, High []byte }

// Limit is one end of a condition on a field; a missing value is no limit.
type Limit struct {
	Value     value.Value
	Inclusive bool
}

// Condition is what a query asks of one field: one of Points, or between two limits.
type Condition struct {
	Points    []value.Value // not nil: equality
	Low, High Limit
}

// maxRanges bounds how many points are crossed with each other.
const maxRanges = 4096

// Ranges are the key ranges that hold all documents that fulfil the conditions
// (one per leading field, in order; a condition after the first without points
// is not used). used is the number of conditions that made a difference.
func (d *Definition) Ranges(conds []Condition) (ranges []Range, used int) {
	prefixes := [][]byte{storage.AppendIndexPrefix(nil, d.ID)}
	for i, c := range conds {
		if c.Points == nil {
			return d.between(prefixes, i, c), i + 1
		}
		if len(prefixes)*len(c.Points) > maxRanges {
			break
		}
		prefixes = d.cross(prefixes, i, c.Points)
		used++
	}
	for _, p := range prefixes {
		ranges = append(ranges, Range{p, storage.Successor(p)})
	}
	return ranges, used
}

// distinct sorts prefixes and leaves out repeated ones.
func distinct(prefixes [][]byte) [][]byte {
	slices.SortFunc(prefixes, bytes.Compare)
	return slices.CompactFunc(prefixes, bytes.Equal)
}

func (d *Definition) cross(prefixes [][]byte, field int, points []value.Value) [][]byte {
	out := make([][]byte, 0, len(prefixes)*len(points))
	for _, p := range prefixes {
		for _, v := range points {
			out = append(out, d.appendPart(p[:len(p):len(p)], field, v))
		}
	}
	return distinct(out)
}

func (d *Definition) between(prefixes [][]byte, field int, c Condition) []Range {
	low, high := c.Low, c.High
	if d.Fields[field].Desc {
		low, high = high, low
	}
	var out []Range
	for _, p := range prefixes {
		r := Range{Low: p, High: storage.Successor(p)}
		if !low.Value.IsMissing() {
			r.Low = d.appendPart(p[:len(p):len(p)], field, low.Value)
			if !low.Inclusive {
				r.Low = storage.Successor(r.Low)
			}
		}
		if !high.Value.IsMissing() {
			r.High = d.appendPart(p[:len(p):len(p)], field, high.Value)
			if high.Inclusive {
				r.High = storage.Successor(r.High)
			}
		}
		out = append(out, r)
	}
	return out
}

// ClassLimits are the ends of the values that are comparable with v by $lt and
// $gt; false when an index cannot answer such a comparison.
func ClassLimits(v value.Value) (low, high Limit, ok bool) {
	switch v.Kind() {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return from(value.Double(math.NaN())), until(value.String("")), true
	case bson.TypeString, bson.TypeSymbol:
		return from(value.String("")), until(value.Document(emptyDocument)), true
	case bson.TypeObjectID:
		return from(value.ObjectID(bson.ObjectID{})), until(value.Bool(false)), true
	case bson.TypeBoolean:
		return from(value.Bool(false)), until(value.Date(math.MinInt64)), true
	case bson.TypeDateTime:
		return from(value.Date(math.MinInt64)), until(value.Timestamp(0, 0)), true
	case bson.TypeTimestamp:
		return from(value.Timestamp(0, 0)), until(value.Regex("", "")), true
	}
	return low, high, false
}

var emptyDocument = bson.Raw{5, 0, 0, 0, 0}

func from(v value.Value) Limit  { return Limit{v, true} }
func until(v value.Value) Limit { return Limit{v, false} }
