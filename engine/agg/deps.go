package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// fieldSet is the set of top-level fields that a pipeline needs of its input.
type fieldSet struct {
	whole bool
	names []string
	paths []string // as they were added, which may be longer
}

func (f *fieldSet) add(path string) {
	f.paths = append(f.paths, path)
	name := firstPart(path)
	for _, n := range f.names {
		if n == name {
			return
		}
	}
	f.names = append(f.names, name)
}

func (f *fieldSet) addDeps(d *expr.Deps) {
	if d.Whole {
		f.whole = true
	}
	for _, p := range d.Fields {
		f.add(p)
	}
}

// reads holds what the expressions of a stage read. Stages embed it.
type reads struct{ deps expr.Deps }

func (r *reads) setDeps(d expr.Deps) { r.deps = d }

// needing is a stage whose needs are known. needs adds them and tells whether
// later stages see nothing of the input but what it passed on in them.
type needing interface {
	needs(f *fieldSet) (closed bool)
}

// requiredFields analyses from the front which fields of its input a pipeline
// reads; nil means all.
func requiredFields(stages []stage) []string {
	if f := required(stages); f != nil {
		return append([]string{}, f.names...)
	}
	return nil
}

func required(stages []stage) *fieldSet {
	f := &fieldSet{}
	for _, s := range stages {
		n, ok := s.(needing)
		if !ok {
			return nil
		}
		closed := n.needs(f)
		if f.whole {
			return nil
		}
		if closed {
			return f
		}
	}
	return nil
}

func (s *matchStage) needs(f *fieldSet) bool {
	filterFields(s.filter, f)
	f.addDeps(&s.deps)
	return false
}

// FilterFields adds the top-level fields that a filter reads to fields; nil
// when that is not known.
func FilterFields(fields []string, filter bson.Raw) []string {
	f := fieldSet{names: fields}
	if movableFields(filter, &f); f.whole {
		return nil
	}
	return f.names
}

// filterFields adds the top-level fields that a filter mentions.
func filterFields(filter bson.Raw, f *fieldSet) {
	for it := value.Walk(filter); it.Next(); {
		k, v := it.Key(), it.Value()
		switch {
		case !strings.HasPrefix(k, "$"):
			f.add(k)
		case k == "$and", k == "$or", k == "$nor":
			if !v.IsArray() {
				f.whole = true
				continue
			}
			for sub := value.Walk(v.Doc()); sub.Next(); {
				filterFields(sub.Value().Doc(), f)
			}
		case k == "$expr", k == "$comment", k == "$alwaysTrue", k == "$alwaysFalse":
			// The compiler of expressions reports its own fields.
		default:
			f.whole = true
		}
	}
}

func (s *sortStage) needs(f *fieldSet) bool {
	s.pattern.addFields(f)
	return false
}

func (*limitStage) needs(*fieldSet) bool { return false }
func (*skipStage) needs(*fieldSet) bool  { return false }

func (s *groupStage) needs(f *fieldSet) bool {
	f.addDeps(&s.deps)
	for _, a := range s.accs {
		a.sorter.addFields(f)
	}
	return true
}

func (s *projectStage) needs(f *fieldSet) bool {
	f.addDeps(&s.deps)
	for i := range s.p.root.entries {
		e := &s.p.root.entries[i]
		if e.action != actCompute && (e.action != actExclude || s.kind == projectExclude) {
			f.add(e.name)
		}
	}
	return s.kind == projectInclude
}

func (s *replaceRootStage) needs(f *fieldSet) bool {
	f.addDeps(&s.deps)
	return true
}

func (s *windowStage) needs(f *fieldSet) bool {
	f.addDeps(&s.deps)
	s.sort.addFields(f)
	for _, o := range s.outputs {
		f.add(o.path[0])
		if a, ok := o.fn.(*windowAcc); ok {
			a.spec.sorter.addFields(f)
		}
	}
	return false
}

func (p *sortPattern) addFields(f *fieldSet) {
	if p == nil {
		return
	}
	for _, k := range p.keys {
		f.add(k.Path)
	}
}

func (s *bucketAutoStage) needs(f *fieldSet) bool {
	f.addDeps(&s.deps)
	for _, a := range s.accs {
		a.sorter.addFields(f)
	}
	return true
}

func (s *graphLookupStage) needs(f *fieldSet) bool {
	f.addDeps(&s.deps)
	f.add(s.as[0])
	return false
}
