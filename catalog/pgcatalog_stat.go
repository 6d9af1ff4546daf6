package catalog

import "context"

// Nothing counts reads here: the counters of these views are 0.

func statioTables(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, names, "relid")
	for _, t := range list {
		if t.Kind == Collection || t.Kind == MaterializedView {
			r.add(t.OID, t.Schema, t.Name, 0, 0, 0, 0, nil, nil, nil, nil)
		}
	}
	return err
}

func statIndexes(ctx context.Context, r *reader) error { return r.eachStatIndex(ctx, 0, 0, 0) }

func statioIndexes(ctx context.Context, r *reader) error { return r.eachStatIndex(ctx, 0, 0) }

func (r *reader) eachStatIndex(ctx context.Context, counters ...any) error {
	list, err := r.relations(ctx, indexed, "relid", "indexrelid")
	for _, t := range list {
		for _, x := range t.shownIndexes() {
			r.add(append([]any{t.OID, x.OID, t.Schema, t.Name, x.name}, counters...)...)
		}
	}
	return err
}
