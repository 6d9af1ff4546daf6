package translator

// Local operators and stages of the translator's own; sqlfunc's go by Func.Impl.
const (
	opStored  = "t_stored"  // [value, type]: a document's value in the form of a SQL type
	opSortKey = "t_sortkey" // [value, type]: a value that orders and groups as SQL does
	opUnnest  = "t_unnest"  // [array]: its elements, of all dimensions
	opAgg     = "t_agg"     // [name, rows, spec]: an aggregate over collected rows
	opSpread  = "t_spread"  // [name, conversion, arguments …, array]: f(…, VARIADIC array)
	opZone    = "t_zone"    // []: the session's time zone as MongoDB names it

	stageTies   = "ties"   // LIMIT … WITH TIES
	stageRuns   = "runs"   // rows in the order of dates, in that of their microseconds
	stageWindow = "window" // window functions
)
