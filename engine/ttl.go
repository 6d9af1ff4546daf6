package engine

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

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
			if seconds := value.Lookup(c.load().options, "expireAfterSeconds"); c.load().clustered && seconds.IsNumber() {
				n, err := e.sweepField(ctx, c, "_id", nil, now, seconds.AsInt64())
				total += n
				if err != nil {
					return total, err
				}
			}
			for _, ix := range c.load().indexes {
				if ix.ExpireAfter < 0 {
					continue
				}
				n, err := e.sweepField(ctx, c, ix.Fields[0].Name, ix.PartialSpec, now, ix.ExpireAfter)
				total += n
				if err != nil {
					return total, err
				}
			}
		}
	}
	return total, nil
}

// sweepField deletes the documents that pass a filter (nil: all) and whose
// field is older than so many seconds.
func (e *Engine) sweepField(ctx context.Context, c *collection, field string, partial bson.Raw, now time.Time, seconds int64) (int64, error) {
	before := now.Add(-time.Duration(seconds) * time.Second)
	filter := stageDoc(field, value.Document(stageDoc("$lt", value.Date(before.UnixMilli()))))
	if partial != nil {
		filter = append(append(filter[:len(filter)-1:len(filter)-1], partial[4:len(partial)-1]...), 0)
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
