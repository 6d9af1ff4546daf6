package translator

import (
	"sort"
	"strings"

	"weir/catalog"
	"weir/engine/expr"
)

// Where a pipeline is cut, documents cross from the store to here: only the
// fields that the rest reads should.

// keepRead adds a projection to the remote stages where it is known what the
// local ones read.
func keepRead(remote, local []stage) []stage {
	if len(local) == 0 || len(remote) > 0 && shapes(remote[len(remote)-1]) {
		return remote
	}
	u := &fieldUse{paths: map[string]bool{}}
	for _, s := range local {
		closed := u.stage(s.doc[0].k, s.doc[0].v)
		if u.unknown {
			return remote
		}
		if closed {
			return append(remote, projection(u.paths))
		}
	}
	return remote
}

// shapes tells whether a stage already leaves nothing but what was asked for.
func shapes(s stage) bool {
	switch s.doc[0].k {
	case "$project", "$group", "$replaceRoot":
		return true
	}
	return false
}

// projection includes paths; those below others are included with them.
func projection(paths map[string]bool) stage {
	names := make([]string, 0, len(paths))
	for p := range paths {
		names = append(names, p)
	}
	sort.Strings(names)
	spec, last := obj{}, ""
	hasID := false
	for _, p := range names {
		if last != "" && strings.HasPrefix(p, last+".") {
			continue
		}
		last = p
		hasID = hasID || p == "_id" || strings.HasPrefix(p, "_id.")
		spec = append(spec, field{p, 1})
	}
	if len(spec) == 0 {
		return stage{doc: obj{{"$project", obj{{"_id", 1}}}}}
	}
	if !hasID {
		spec = append(obj{{"_id", 0}}, spec...)
	}
	return stage{doc: obj{{"$project", spec}}}
}

// fieldUse collects the paths that stages read of their input.
type fieldUse struct {
	paths   map[string]bool
	unknown bool
}

func (u *fieldUse) add(path string) { u.paths[path] = true }

// stage collects what a stage reads and tells whether what follows sees
// nothing of the input but through it.
func (u *fieldUse) stage(name string, spec any) (closed bool) {
	switch name {
	case "$match":
		u.filter(spec)
	case "$group":
		u.expr(spec)
		return true
	case "$project":
		return u.project(spec)
	case "$addFields":
		u.expr(spec)
	case "$sort":
		for _, f := range u.object(spec) {
			u.add(f.k)
		}
	case "$unwind":
		u.unwind(spec)
	case "$lookup":
		u.lookup(spec)
	case "$limit", "$skip":
	case expr.LocalPrefix + stageRuns:
		for _, f := range u.object(spec) {
			switch v := f.v.(type) {
			case string:
				u.add(v)
			case obj:
				for _, k := range v {
					u.add(k.k)
				}
			}
		}
	default:
		u.unknown = true
	}
	return false
}

func (u *fieldUse) object(spec any) obj {
	o, ok := spec.(obj)
	u.unknown = u.unknown || !ok
	return o
}

func (u *fieldUse) project(spec any) bool {
	for _, f := range u.object(spec) {
		switch v := f.v.(type) {
		case int:
			if v == 0 && f.k != "_id" {
				u.unknown = true
			} else if v != 0 {
				u.add(f.k)
			}
		case bool:
			u.unknown = true
		default:
			u.expr(f.v)
		}
	}
	return true
}

func (u *fieldUse) unwind(spec any) {
	switch v := spec.(type) {
	case string:
		u.expr(v)
	case obj:
		for _, f := range v {
			if f.k == "path" {
				u.expr(f.v)
			}
		}
	default:
		u.unknown = true
	}
}

// lookup reads its local field and its variables; the fields that its pipeline
// names are the other side's.
func (u *fieldUse) lookup(spec any) {
	for _, f := range u.object(spec) {
		switch f.k {
		case "localField":
			u.add(f.v.(string))
		case "let":
			u.expr(f.v)
		}
	}
}

func (u *fieldUse) filter(spec any) {
	for _, f := range u.object(spec) {
		switch {
		case f.k == "$expr":
			u.expr(f.v)
		case f.k == "$and" || f.k == "$or" || f.k == "$nor":
			items, ok := f.v.(list)
			u.unknown = u.unknown || !ok
			for _, x := range items {
				u.filter(x)
			}
		case strings.HasPrefix(f.k, "$"):
			u.unknown = true
		default:
			u.add(f.k)
		}
	}
}

// expr adds the paths of an expression. Reading the whole document is not known
// to be less than all.
func (u *fieldUse) expr(e any) {
	switch v := e.(type) {
	case string:
		switch {
		case strings.HasPrefix(v, "$$ROOT"), strings.HasPrefix(v, "$$CURRENT"):
			u.unknown = true
		case strings.HasPrefix(v, "$$"):
		case strings.HasPrefix(v, "$"):
			u.add(v[1:])
		}
	case obj:
		for _, f := range v {
			if f.k == "$getField" {
				u.unknown = true
			}
			if f.k != "$literal" {
				u.expr(f.v)
			}
		}
	case list:
		for _, x := range v {
			u.expr(x)
		}
	}
}

// projectScan leaves of a table's documents what its columns need, where
// nothing but filters stands over it.
func (c *compiler) projectScan(f *fragment) {
	if f.src.scan == nil || !f.src.remote() || f.local() || !filtersOnly(f.stages) {
		return
	}
	paths := map[string]bool{}
	for _, fd := range f.src.scan.Fields {
		if len(fd.Path) == 0 || !plainName(fd.Path[0]) {
			return
		}
		paths[fd.Path[0]] = true
		if fd.Fine {
			paths[catalog.FineField+"."+fd.Path[0]] = true
		}
	}
	s := projection(paths)
	f.add(s.doc[0].k, s.doc[0].v)
}
