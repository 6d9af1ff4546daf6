package engine

import (
	"bytes"
	"context"
	"slices"

	"weir/engine/value"
	"weir/mongoerr"
)

// abortBuilds ends the builds of indexes that a dropIndexes names, as "index" of
// the command does, and gives their names. They are gone when it returns.
func (e *Engine) abortBuilds(ctx context.Context, c *collection, ix value.Value) ([]string, error) {
	var names []string
	for _, x := range c.load().building {
		if x.namedBy(ix) {
			names = append(names, x.Name)
			_ = x.fail(mongoerr.New(mongoerr.IndexBuildAborted, "Index build aborted: dropIndexes command on index %s", x.Name))
		}
	}
	if names == nil {
		return nil, nil
	}
	done, err := c.takeBuildTurn(ctx)
	if err != nil {
		return nil, err
	}
	done()
	// One that was complete before it heard of it is there, to be dropped.
	return slices.DeleteFunc(names, func(n string) bool { return c.load().index(n) != nil }), nil
}

// namedBy tells whether a dropIndexes means this index.
func (ix *indexState) namedBy(v value.Value) bool {
	switch {
	case v.IsString():
		return v.Str() == "*" || v.Str() == ix.Name
	case v.IsDocument():
		return bytes.Equal(v.Doc(), ix.Key)
	case v.IsArray():
		for it := value.Walk(v.Doc()); it.Next(); {
			if it.Value().IsString() && it.Value().Str() == ix.Name {
				return true
			}
		}
	}
	return false
}

// afterAbort is what is left of "index" to drop; done when that is nothing.
func afterAbort(ix value.Value, aborted []string) (rest value.Value, done bool) {
	if len(aborted) == 0 || ix.IsString() && ix.Str() == "*" {
		return ix, false
	}
	if !ix.IsArray() {
		return ix, true
	}
	var names []value.Value
	for it := value.Walk(ix.Doc()); it.Next(); {
		if v := it.Value(); !v.IsString() || !slices.Contains(aborted, v.Str()) {
			names = append(names, v)
		}
	}
	return value.ArrayFrom(names), len(names) == 0
}
