package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// operator is how one operator is compiled: either parse does all of it, or
// the operands are evaluated (all of them, in order) and handed to one, two or
// many.
type operator struct {
	min, max int // number of operands; max < 0: any
	one      func(c *Context, a value.Value) (value.Value, error)
	two      func(c *Context, a, b value.Value) (value.Value, error)
	many     func(c *Context, args []value.Value) (value.Value, error)
	parse    func(p *compiler, name string, arg value.Value) (Expr, error)
	impure   bool // not the same result every time
}

func one(fn func(*Context, value.Value) (value.Value, error)) operator {
	return operator{min: 1, max: 1, one: fn}
}

func two(fn func(*Context, value.Value, value.Value) (value.Value, error)) operator {
	return operator{min: 2, max: 2, two: fn}
}

func many(least, most int, fn func(*Context, []value.Value) (value.Value, error)) operator {
	return operator{min: least, max: most, many: fn}
}

func number(name string, fn func(value.Value) (value.Value, error)) operator {
	return one(numeric(name, fn))
}

func parsed(fn func(*compiler, string, value.Value) (Expr, error)) operator {
	return operator{parse: fn}
}

var inf = math.Inf(1)

// operators is every operator by its name.
var operators = map[string]operator{
	// arithmetic.go
	"$abs":      number("$abs", abs),
	"$add":      many(0, -1, add),
	"$ceil":     number("$ceil", ceil),
	"$divide":   two(divide),
	"$exp":      number("$exp", exp),
	"$floor":    number("$floor", floor),
	"$ln":       number("$ln", naturalLog),
	"$log":      two(logarithm),
	"$log10":    number("$log10", log10),
	"$mod":      two(mod),
	"$multiply": many(0, -1, multiply),
	"$pow":      two(pow),
	"$round":    many(1, 2, round),
	"$sqrt":     number("$sqrt", sqrt),
	"$subtract": two(subtract),
	"$trunc":    many(1, 2, truncate),

	// trig.go
	"$sin":              one(trig("$sin", math.Sin, -inf, inf, true)),
	"$cos":              one(trig("$cos", math.Cos, -inf, inf, true)),
	"$tan":              one(trig("$tan", math.Tan, -inf, inf, true)),
	"$asin":             one(trig("$asin", math.Asin, -1, 1, false)),
	"$acos":             one(trig("$acos", math.Acos, -1, 1, false)),
	"$atan":             one(trig("$atan", math.Atan, -inf, inf, false)),
	"$atan2":            two(atan2),
	"$sinh":             one(trig("$sinh", math.Sinh, -inf, inf, false)),
	"$cosh":             one(trig("$cosh", math.Cosh, -inf, inf, false)),
	"$tanh":             one(trig("$tanh", math.Tanh, -inf, inf, false)),
	"$asinh":            one(trig("$asinh", math.Asinh, -inf, inf, false)),
	"$acosh":            one(trig("$acosh", math.Acosh, 1, inf, false)),
	"$atanh":            one(trig("$atanh", math.Atanh, -1, 1, false)),
	"$degreesToRadians": number("$degreesToRadians", scaleAngle(true)),
	"$radiansToDegrees": number("$radiansToDegrees", scaleAngle(false)),

	// boolean.go
	"$and": parsed(parseAnd),
	"$or":  parsed(parseOr),
	"$not": one(not),
	"$eq":  parsed(parseComparison),
	"$ne":  parsed(parseComparison),
	"$gt":  parsed(parseComparison),
	"$gte": parsed(parseComparison),
	"$lt":  parsed(parseComparison),
	"$lte": parsed(parseComparison),
	"$cmp": parsed(parseComparison),

	// conditional.go
	"$cond":    parsed(parseCond),
	"$ifNull":  parsed(parseIfNull),
	"$switch":  parsed(parseSwitch),
	"$let":     parsed(parseLet),
	"$literal": parsed(parseLiteral),
	"$meta":    parsed(parseMeta),
	"$const":   parsed(parseLiteral),

	// array.go, iterate.go, sort.go
	"$arrayElemAt":  two(arrayElemAt),
	"$concatArrays": many(0, -1, concatArrays),
	"$filter":       parsed(parseFilter),
	"$first":        one(firstOrLast("$first", 0)),
	"$last":         one(firstOrLast("$last", -1)),
	"$firstN":       parsed(manyOf(firstN)),
	"$lastN":        parsed(manyOf(lastN)),
	"$minN":         parsed(manyOf(extremeN(1))),
	"$maxN":         parsed(manyOf(extremeN(-1))),
	"$in":           parsed(parseIn),
	"$indexOfArray": parsed(parseIndexOfArray),
	"$isArray":      one(isArray),
	"$map":          parsed(parseMap),
	"$range":        many(2, 3, rangeOp),
	"$reduce":       parsed(parseReduce),
	"$reverseArray": one(reverseArray),
	"$size":         one(size),
	"$slice":        many(2, 3, slice),
	"$sortArray":    parsed(parseSortArray),
	"$zip":          parsed(parseZip),

	// accumulate.go and sort.go
	"$sum":        parsed(over(sumOf)),
	"$avg":        parsed(over(averageOf)),
	"$min":        parsed(over(minOf)),
	"$max":        parsed(over(maxOf)),
	"$stdDevPop":  parsed(over(stdDevPop)),
	"$stdDevSamp": parsed(over(stdDevSamp)),
	"$percentile": parsed(parsePercentile),
	"$median":     parsed(parsePercentile),

	// set.go
	"$setUnion":        parsed(setOp(0, -1, setUnion)),
	"$setIntersection": parsed(setOp(0, -1, setIntersection)),
	"$setDifference":   parsed(setOp(2, 2, setDifference)),
	"$setEquals":       parsed(parseSetEquals),
	"$setIsSubset":     parsed(setOp(2, 2, setIsSubset)),
	"$allElementsTrue": one(elementsTrue("$allElementsTrue", true, 17040)),
	"$anyElementTrue":  one(elementsTrue("$anyElementTrue", false, 17041)),

	// object.go
	"$mergeObjects":  many(0, -1, mergeObjects),
	"$objectToArray": one(objectToArray),
	"$arrayToObject": one(arrayToObject),
	"$getField":      parsed(parseGetField),
	"$setField":      parsed(parseSetField),
	"$unsetField":    parsed(parseSetField),

	// string.go
	"$concat":       many(0, -1, concat),
	"$toLower":      one(toLower),
	"$toUpper":      one(toUpper),
	"$strcasecmp":   two(strcasecmp),
	"$strLenBytes":  one(strLenBytes),
	"$strLenCP":     one(strLenCP),
	"$binarySize":   one(binarySize),
	"$bsonSize":     one(bsonSize),
	"$substr":       many(3, 3, substrBytes),
	"$substrBytes":  many(3, 3, substrBytes),
	"$substrCP":     many(3, 3, substrCP),
	"$indexOfBytes": many(2, 4, indexOfBytes),
	"$indexOfCP":    many(2, 4, indexOfCP),
	"$split":        two(split),
	"$trim":         parsed(parseTrim),
	"$ltrim":        parsed(parseTrim),
	"$rtrim":        parsed(parseTrim),
	"$replaceOne":   parsed(parseReplace),
	"$replaceAll":   parsed(parseReplace),

	// regex.go
	"$regexMatch":   parsed(parseRegex),
	"$regexFind":    parsed(parseRegex),
	"$regexFindAll": parsed(parseRegex),

	// convert.go
	"$type":       one(typeOf),
	"$isNumber":   one(isNumber),
	"$convert":    parsed(parseConvert),
	"$toBool":     parsed(parseTo(bson.TypeBoolean)),
	"$toInt":      parsed(parseTo(bson.TypeInt32)),
	"$toLong":     parsed(parseTo(bson.TypeInt64)),
	"$toDouble":   parsed(parseTo(bson.TypeDouble)),
	"$toDecimal":  parsed(parseTo(bson.TypeDecimal128)),
	"$toString":   parsed(parseTo(bson.TypeString)),
	"$toDate":     parsed(parseTo(bson.TypeDateTime)),
	"$toObjectId": parsed(parseTo(bson.TypeObjectID)),

	// datepart.go, datemath.go, datetext.go
	"$year":           parsed(datePart(yearOf)),
	"$month":          parsed(datePart(monthOf)),
	"$dayOfMonth":     parsed(datePart(dayOf)),
	"$hour":           parsed(datePart(hourOf)),
	"$minute":         parsed(datePart(minuteOf)),
	"$second":         parsed(datePart(secondOf)),
	"$millisecond":    parsed(datePart(millisecondOf)),
	"$dayOfYear":      parsed(datePart(dayOfYear)),
	"$dayOfWeek":      parsed(datePart(dayOfWeek)),
	"$isoDayOfWeek":   parsed(datePart(isoDayOfWeek)),
	"$week":           parsed(datePart(weekOf)),
	"$isoWeek":        parsed(datePart(isoWeekOf)),
	"$isoWeekYear":    parsed(datePart(isoWeekYearOf)),
	"$dateToParts":    parsed(parseDateToParts),
	"$dateFromParts":  parsed(parseDateFromParts),
	"$dateToString":   parsed(parseDateToString),
	"$dateFromString": parsed(parseDateFromString),
	"$dateAdd":        parsed(parseDateAdd),
	"$dateSubtract":   parsed(parseDateAdd),
	"$dateDiff":       parsed(parseDateDiff),
	"$dateTrunc":      parsed(parseDateTrunc),

	// bits.go
	"$bitAnd":      many(0, -1, bitwise("$bitAnd", -1, func(a, b int64) int64 { return a & b })),
	"$bitOr":       many(0, -1, bitwise("$bitOr", 0, func(a, b int64) int64 { return a | b })),
	"$bitXor":      many(0, -1, bitwise("$bitXor", 0, func(a, b int64) int64 { return a ^ b })),
	"$bitNot":      one(bitNot),
	"$tsSecond":    one(timestampPart("$tsSecond", 5687301, func(t, _ uint32) uint32 { return t })),
	"$tsIncrement": one(timestampPart("$tsIncrement", 5687302, func(_, i uint32) uint32 { return i })),
	"$rand":        parsed(parseRand),
}

func parseLiteral(_ *compiler, _ string, arg value.Value) (Expr, error) { return constant{arg}, nil }
