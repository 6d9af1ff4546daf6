package translator

import (
	"strings"

	"weir/store"
)

// localise prepares stages for running here. A stage that reads another
// collection names it within its own database; here rows of several databases
// and of none meet, so the name becomes one that Program.Collections knows.
func (c *compiler) localise(stages []stage, db string) []stage {
	out := make([]stage, len(stages))
	for i, s := range stages {
		s.doc = c.qualified(s.doc, db).(obj)
		out[i] = s
	}
	return out
}

// qualified copies a tree of stages with the names in it replaced.
func (c *compiler) qualified(v any, db string) any {
	switch v := v.(type) {
	case obj:
		out := make(obj, len(v))
		for i, f := range v {
			out[i] = field{f.k, c.qualified(f.v, db)}
			if named := map[string]string{"$lookup": "from", "$unionWith": "coll"}[f.k]; named != "" {
				c.qualifyName(out[i].v, named, db)
			}
		}
		return out
	case list:
		out := make(list, len(v))
		for i, x := range v {
			out[i] = c.qualified(x, db)
		}
		return out
	}
	return v
}

func (c *compiler) qualifyName(spec any, key, db string) {
	o, _ := spec.(obj)
	for i := range o {
		name, ok := o[i].v.(string)
		if o[i].k != key || !ok || strings.HasPrefix(name, "__") {
			continue
		}
		if _, done := c.prog.Collections[name]; done {
			continue
		}
		full := db + "." + name
		c.prog.Collections[full] = store.Namespace{DB: db, Coll: name}
		o[i].v = full
	}
}
