// Package match compiles MongoDB's query language and tells whether raw
// documents match. $where, $text and the geospatial operators are not in it.
//
// Compile gives a Matcher; its tree (node.go) is sealed and can be read, so
// that a planner of indexes sees which values a path is compared with.
// parse.go reads the language, eval.go runs the tree, path.go walks dotted
// paths through arrays, schema.go is $jsonSchema.
package match
