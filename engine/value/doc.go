// Package value is BSON as the engine sees it: a small Value that points into
// a raw document, MongoDB's total order, equality, hashes and order-preserving
// keys over such values, arithmetic with MongoDB's widening, and functions
// that walk, build and check raw documents.
//
// It decodes nothing into maps or structs, and it knows neither expressions
// nor queries (engine/expr and engine/match do).
//
// Strings, keys and documents that come out of a Value share memory with the
// document that it was read from; they hold as long as those bytes are left
// unchanged.
//
// Start with Value in value.go; walk.go reads documents, compare.go orders
// values, sortkey.go writes the order down as bytes, arith.go calculates.
package value
