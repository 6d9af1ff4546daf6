package expr

import (
	"weir/engine/value"
)

// Metadata of documents that $meta reads. The source of the documents adds the
// record id and the index key as fields with these names, where they are wanted.
const (
	MetaRecordID = "$recordId"
	MetaIndexKey = "$indexKey"
)

// parseMeta compiles {$meta: name}.
func parseMeta(p *compiler, _ string, arg value.Value) (Expr, error) {
	if !arg.IsString() {
		return nil, fail(17307, "$meta only supports string arguments")
	}
	switch name := arg.Str(); name {
	case "sortKey":
		if p.opts.SortKey != nil {
			return p.opts.SortKey, nil
		}
	case "recordId", "indexKey":
		if p.opts.SourceMeta {
			return &fieldPath{path: []string{"$" + name}}, nil
		}
	case "textScore", "searchScore", "searchHighlights", "geoNearDistance", "geoNearPoint", "randVal", "searchScoreDetails":
	default:
		return nil, fail(17308, "Unsupported argument to $meta: %s", name)
	}
	return nil, fail(40218, "query requires %s metadata, but it is not available", arg.Str())
}
