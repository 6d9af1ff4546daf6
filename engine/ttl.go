package engine

import (
	"context"
	"time"

	"weir/engine/value"
)

func (e *Engine) sweepTTL(ctx context.Context) {
	if _, err := e.SweepExpired(ctx, e.opts.Now()); err != nil && ctx.Err() == nil {
		e.opts.Logger.Error("delete expired documents", "error", err)
	}
}

// SweepExpired deletes the documents that TTL indexes hold for expired at now.
func (e *Engine) SweepExpired(ctx context.Context, now time.Time) (int64, error) {
	var total int64
	for _, db := range e.catalog.databases() {
		for _, c := range e.catalog.list(db) {
			for _, ix := range c.load().indexes {
				if ix.ExpireAfter < 0 {
					continue
				}
				n, err := e.sweepIndex(ctx, c, ix, now)
				total += n
				if err != nil {
					return total, err
				}
			}
		}
	}
	return total, nil
}

func (e *Engine) sweepIndex(ctx context.Context, c *collection, ix *indexState, now time.Time) (int64, error) {
	before := now.Add(-time.Duration(ix.ExpireAfter) * time.Second)
	filter := stageDoc(ix.Fields[0].Name, value.Document(stageDoc("$lt", value.Date(before.UnixMilli()))))
	if ix.PartialSpec != nil {
		filter = append(append(filter[:len(filter)-1:len(filter)-1], ix.PartialSpec[4:len(ix.PartialSpec)-1]...), 0)
		filter = value.EndDocument(filter[:len(filter)-1], 0)
	}
	f, err := e.compileFilter(filter, nil, nil)
	if err != nil {
		return 0, err
	}
	w := &writer{e: e}
	n, _, err := w.deleteSome(ctx, c.load().ns, deleteOp{filter: f, multi: true}, 0)
	if serr := w.finish(); err == nil {
		err = serr
	}
	return n, err
}
