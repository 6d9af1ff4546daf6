package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// compileUnset compiles {$unset: path} and {$unset: [path, …]}.
func compileUnset(_ *compiler, spec bson.RawValue) ([]stage, error) {
	paths, err := unsetPaths(value.FromRaw(spec))
	if err != nil {
		return nil, err
	}
	root := &projNode{}
	var b value.Builder
	for _, p := range paths {
		if _, err := splitPath(p); err != nil {
			return nil, caused("Invalid $unset", err)
		}
		if err := addLeaf(root, p, projEntry{action: actExclude}); err != nil {
			return nil, caused("Invalid $unset", err)
		}
		b.Add(p, value.Int32(0))
	}
	root.finish(true, false)
	return []stage{&projectStage{p: &projection{root: root}, spec: b.Doc(), kind: projectExclude}}, nil
}

func unsetPaths(v value.Value) ([]string, error) {
	if v.IsString() {
		return []string{v.Str()}, nil
	}
	if !v.IsArray() {
		return nil, mongoerr.New(31002, "$unset specification must be a string or an array")
	}
	var paths []string
	for it := value.Walk(v.Doc()); it.Next(); {
		if !it.Value().IsString() {
			return nil, mongoerr.New(31120, "$unset specification must be a string or an array containing only string values")
		}
		paths = append(paths, it.Value().Str())
	}
	if len(paths) == 0 {
		return nil, mongoerr.New(31119, "$unset specification must be a string or an array with at least one field")
	}
	return paths, nil
}
