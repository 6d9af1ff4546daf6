package engine

import (
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/value"
)

// appendBounds adds the pattern and the indexBounds of an index scan as
// explain shows them.
func (a *access) appendBounds(d []byte) []byte {
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "indexBounds")
	start, d := value.BeginDocument(d)
	for i := range a.index.Fields {
		f := &a.index.Fields[i]
		d = value.AppendElement(d, a.fieldName(i), value.ArrayFrom(a.intervals(i, f.Desc != a.reverse)))
	}
	return value.EndDocument(d, start)
}

func (a *access) fieldName(i int) string {
	if a.wildcard != "" && i == 1 {
		return a.wildcard
	}
	return a.index.Fields[i].Name
}

// keyPattern is the pattern of the index; of a wildcard index that of the path
// that is looked for.
func (a *access) keyPattern() bson.Raw {
	if a.wildcard == "" {
		return a.index.Key
	}
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, index.WildcardPath, value.Int32(1))
	return value.EndDocument(value.AppendElement(d, a.wildcard, value.Int32(1)), start)
}

func (a *access) intervals(i int, backwards bool) []value.Value {
	low, high := "[MinKey", "MaxKey]"
	if i < len(a.conds) && a.conds[i].Points == nil {
		low, high = limitText(a.conds[i].Low, "[", "("), limitText(a.conds[i].High, "]", ")")
	}
	if i >= len(a.conds) || a.conds[i].Points == nil {
		if backwards {
			low, high = flip(high), flip(low)
		}
		return []value.Value{value.String(low + ", " + high)}
	}
	var out []value.Value
	for _, p := range a.conds[i].Points {
		if p.Kind() == bson.TypeUndefined && len(a.conds[i].Points) > 1 {
			continue // the key of an empty array, beside that of null
		}
		s := boundText(p)
		out = append(out, value.String("["+s+", "+s+"]"))
	}
	if backwards {
		for l, r := 0, len(out)-1; l < r; l, r = l+1, r-1 {
			out[l], out[r] = out[r], out[l]
		}
	}
	return out
}

// flip makes the lower end of an interval of the upper one, or the reverse.
func flip(end string) string {
	switch end[len(end)-1] {
	case ']':
		return "[" + end[:len(end)-1]
	case ')':
		return "(" + end[:len(end)-1]
	}
	if end[0] == '[' {
		return end[1:] + "]"
	}
	return end[1:] + ")"
}

func limitText(l index.Limit, inclusive, exclusive string) string {
	bracket := exclusive
	if l.Inclusive {
		bracket = inclusive
	}
	text := boundText(l.Value)
	switch v := l.Value; {
	case v.IsNaN(): // no number is less
		text, bracket = "-inf.0", inclusive
	case v.IsString() && v.Str() == "" && bracket == ")": // no number is more
		text, bracket = "inf.0", inclusive
	case v.Kind() == bson.TypeTimestamp && value.Equal(v, value.Timestamp(0, 0)) && bracket == ")":
		text, bracket = boundText(value.Date(math.MaxInt64)), inclusive
	case v.Kind() == bson.TypeDateTime && v.AsDate() == math.MinInt64 && bracket == ")":
		text, bracket = "true", inclusive
	case v.Kind() == bson.TypeBoolean && !v.Truthy() && bracket == ")":
		text, bracket = "ObjectId('ffffffffffffffffffffffff')", inclusive
	}
	if inclusive == "[" {
		return bracket + text
	}
	return text + bracket
}

// boundText writes a value as the server does in the bounds of an index.
func boundText(v value.Value) string {
	if v.Kind() != bson.TypeDouble {
		return index.Text(v)
	}
	f := v.AsDouble()
	switch {
	case math.IsInf(f, 1):
		return "inf.0"
	case math.IsInf(f, -1):
		return "-inf.0"
	}
	s := strconv.FormatFloat(f, 'g', 15, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// executed is a step of the plan with what it did.
func (x *explanation) executed(plan bson.Raw, returned int64) bson.Raw {
	start, d := value.BeginDocument(nil)
	stage := value.Lookup(plan, "stage").Str()
	d = value.AppendElement(d, "stage", value.String(stage))
	if f := value.Lookup(plan, "filter"); !f.IsMissing() {
		d = value.AppendElement(d, "filter", f)
	}
	n := returned
	works := n + 1
	if stage == "IXSCAN" {
		n, works = x.report.keys, x.report.keys+1
	}
	d = value.AppendElement(d, "nReturned", value.IntOrLong(n))
	d = value.AppendElement(d, "executionTimeMillisEstimate", value.IntOrLong(0))
	d = value.AppendElement(d, "works", value.IntOrLong(works))
	d = value.AppendElement(d, "advanced", value.IntOrLong(n))
	for _, k := range []string{"needTime", "needYield", "saveState", "restoreState"} {
		d = value.AppendElement(d, k, value.Int32(0))
	}
	d = value.AppendElement(d, "isEOF", value.Int32(1))
	d = x.appendDone(d, stage)
	for it := value.Walk(plan); it.Next(); {
		switch it.Key() {
		case "stage", "filter":
		case "inputStage":
			d = value.AppendElement(d, "inputStage", value.Document(x.executed(it.Value().Doc(), x.below(stage, returned))))
		case "inputStages":
			var list []value.Value
			for sub := value.Walk(it.Value().Doc()); sub.Next(); {
				list = append(list, value.Document(x.executed(sub.Value().Doc(), returned)))
			}
			d = value.AppendElement(d, "inputStages", value.ArrayFrom(list))
		default:
			d = append(d, it.Element()...)
		}
	}
	return value.EndDocument(d, start)
}

// below is how many documents the step under a step gave.
func (x *explanation) below(stage string, returned int64) int64 {
	switch stage {
	case "UPDATE", "DELETE", "COUNT":
		return x.returned
	}
	return returned
}

func (x *explanation) appendDone(d []byte, stage string) []byte {
	number := func(k string, n int64) { d = value.AppendElement(d, k, value.IntOrLong(n)) }
	switch stage {
	case "COLLSCAN", "FETCH":
		number("docsExamined", x.report.docs)
	case "IXSCAN", "COUNT_SCAN", "DISTINCT_SCAN":
		number("keysExamined", x.report.keys)
	case "COUNT":
		number("nCounted", x.returned)
		number("nSkipped", 0)
	case "UPDATE":
		number("nMatched", x.returned)
		number("nWouldModify", x.returned)
		number("nWouldUpsert", 0)
	case "DELETE":
		number("nWouldDelete", x.returned)
	}
	return d
}
