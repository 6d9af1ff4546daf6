// Package agg runs aggregation pipelines. Compile checks a whole pipeline with
// MongoDB's error codes and makes a Pipeline; Run turns it into a chain of pull
// iterators over raw BSON (store.Cursor), one file a stage.
//
// It knows no storage: documents come from a Source, other collections from
// Env.Collections, and $out and $merge write through Env.Writer. It also
// compiles the projections of the find command (FindProjection).
//
// Start reading at Compile, then Pipeline.Run, then any stage_*.go file. A
// stage may be asked again after an error of its input: streaming stages keep
// working then, which is how change streams wait.
package agg
