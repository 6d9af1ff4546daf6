// Package expr compiles and evaluates MongoDB's aggregation expressions.
//
// Compile turns the BSON of an expression into a tree of small nodes; Eval
// runs it over a raw document without decoding that into maps. Results, their
// types, null rules and error codes are those of MongoDB 7.0. Constant parts
// are calculated by Compile, which then reports their errors, as MongoDB does.
//
// Missing here: $function, $accumulator, $meta and everything about stages
// and accumulators (engine/agg). Operators that only exist locally come from a
// Library and are written {"$weir.NAME": [args…]}.
//
// Start with expr.go (types and Compile) and table.go, the one table of all
// operators; each family of them has its own file, named after it.
package expr
