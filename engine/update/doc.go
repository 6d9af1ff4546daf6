// Package update applies MongoDB's updates to raw documents: operators with
// positional paths and array filters, replacement documents, and pipelines.
//
// Compile checks an update once; Apply runs it on a document and tells what a
// change stream would show of it (Description). It finds no documents and
// stores none.
//
// Start at update.go. tree.go is the document while it is changed, path.go
// follows and creates paths, op_*.go are the operators, one family a file,
// diff.go compares two versions of a document.
package update
