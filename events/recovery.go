package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// recovery is how a reader goes on after failures of its stream that come again at
// the same place, whatever it waits.
//
// A token that is not taken any more (it was made under other options, the server does
// not find its event) is replaced by its time: what was read of that time already is
// left out by its position. Only when that fails, too, is the history lost.
//
// An event that is too large for the server to give fails every read that meets it.
// The stream is then read event by event up to it, and it alone without its images.
type recovery struct {
	reopened bool   // with the token, since the last reply
	byTime   bool   // not with the token
	skip     string // what the stream gives up to it is in the log already, "": nothing
	singly   int    // so many events are read one by one, for the one that is too large
	bare     int    // the next event is read without its images: 1; and without all that changed: 2

	since    time.Time     // when the token moved last
	at       string        // how far it was then
	patience time.Duration // until it is opened anew because of that
	silence  time.Duration // likewise, where it does not answer
	resumed  int64         // so often did the driver open this stream anew
	refused  time.Time     // when the store had no room for what was read
}

// stallAfter is how long a stream may be silent, or its token stand still while the
// server goes on, until it is opened anew; after that for twice as long.
const (
	stallAfter  = 30 * time.Second
	stallLonger = 10 * time.Minute
)

var (
	errSilent = errors.New("the server does not answer the change stream")
	errStands = errors.New("the change stream stands still while the server goes on: a majority of its members may not be reached")
)

// heard notes a reply of the stream: the next failure is another one. The driver may
// have opened it anew by itself.
func (r *reader) heard() {
	r.recovery.reopened, r.recovery.silence = false, stallAfter
	if s, ok := r.stream.(interface{ Resumed() int64 }); ok {
		for n := s.Resumed(); r.recovery.resumed < n; r.recovery.resumed++ {
			r.stats.resumed()
		}
	}
}

const (
	reasonFull = "store_full"
	// fullRest is how long the store must have taken everything until it has room: at
	// the brink it takes one write and not the next.
	fullRest = time.Second
)

// suspendFull suspends the subscriptions whose rows the store has no room for. The
// reader goes on trying: when there is room it logs what it could not, and they go on.
func (r *reader) suspendFull(ctx context.Context, cause error) {
	if mongoerr.CodeOf(cause) != mongoerr.OutOfDiskSpace {
		return
	}
	r.recovery.refused = time.Now()
	r.full.Store(true)
	for _, rt := range r.currentRoutes() {
		if err := r.suspend(ctx, rt.spec.ID, reasonFull, cause.Error()); err != nil && !errors.Is(err, errSuspended) {
			r.log.Warn("a subscription could not be suspended", "subscription", rt.spec.ID, "error", err)
		}
	}
}

// hasRoom tells that the store took something, after which those go on that were
// suspended as it did not.
func (r *reader) hasRoom(ctx context.Context) {
	if !r.full.Load() || time.Since(r.recovery.refused) < fullRest {
		return
	}
	r.full.Store(false)
	if err := r.resume(ctx, r.db); err != nil && ctx.Err() == nil {
		r.full.Store(true)
		r.log.Warn("what was suspended without room could not be resumed", "error", err)
	}
}

// resumeFull resumes what the reader of a database, here or on a gateway that is gone,
// has suspended for want of room.
func (m *Manager) resumeFull(ctx context.Context, db string) error {
	full := bson.D{{Key: "status", Value: StateSuspended}, {Key: "status_reason", Value: reasonFull}}
	var ids []string
	err := query(ctx, m.st, collSubscriptions, []bson.D{{{Key: "$match", Value: append(bson.D{{Key: "spec.database_name", Value: db}}, full...)}}, {{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}}}}}, func(doc bson.Raw) error {
		ids = append(ids, text(value.Lookup(doc, "_id")))
		return nil
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	for _, id := range ids {
		switch err := m.setStatus(ctx, id, StateActive, StateActive, "", full...); {
		case errors.Is(err, errStale): // somebody paused, resumed or dropped it
		case err != nil:
			return err
		default:
			m.log.Info("subscription goes on: the store has room again", "subscription", id)
		}
	}
	_, err = m.bump(ctx, db)
	return err
}

// learn has the next run be another one where a failure asks for it.
func (r *reader) learn(err error) {
	switch {
	case isTooLarge(err):
		r.lookCloser()
	case errors.Is(err, errSilent):
		r.recovery.silence = min(2*r.recovery.silence, stallLonger)
		r.stats.stands(true)
	case errors.Is(err, errStands):
		r.stats.stands(true)
	}
}

// isTooLarge tells of an event that the server cannot give: not in one piece, or though
// it may split it.
func isTooLarge(err error) bool {
	code := mongoerr.CodeOf(err)
	return code == mongoerr.BSONObjectTooLarge || code == mongoerr.ChangeEventNotSplit
}

// tryToken tells whether there is another way to go on after the server did not take
// the token, and has the next run take it.
func (r *reader) tryToken() bool {
	v := &r.recovery
	switch {
	case r.state.Token == nil || v.byTime:
		return false
	case r.stream != nil && !v.reopened: // the driver tried, in its own way
		v.reopened = true
		return true
	}
	_, ok := r.tokenTime()
	v.byTime = ok
	return ok
}

// tokenTime gives the time that the stored token stands for.
func (r *reader) tokenTime() (at bson.Timestamp, ok bool) {
	first, _, ok := tokenSpan(text(value.Lookup(r.state.Token, "_data")))
	if !ok {
		first = r.state.LastPos
	}
	at, _, ok = ParsePosition(first)
	return at, ok
}

// lookCloser has the next runs find the event that is too large: false when it was
// found and cannot be read in any way.
func (r *reader) lookCloser() bool {
	v := &r.recovery
	switch {
	case v.singly == 0:
		v.singly = r.most
	case v.bare < 2:
		v.bare++
	default:
		return false
	}
	return true
}

// tookSingly ends a batch that may have been read singly; done tells that the stream is
// to be opened as usual.
func (r *reader) tookSingly() (done bool) {
	v := &r.recovery
	if v.singly == 0 || len(r.events) == 0 {
		return false
	}
	if v.singly--; v.bare > 0 {
		e := &r.events[0]
		r.log.Warn("an event was too large for the change stream; it is logged without its images", "collection", e.Coll, "operation", e.Op, "position", e.position())
		v.singly, v.bare = 0, 0
	}
	return v.singly == 0
}

// batchLimit is how many events go into a batch.
func (r *reader) batchLimit() int {
	if r.recovery.singly > 0 {
		return 1
	}
	return r.most
}

// streamOptions are the options and the stages that the stream is opened with, but
// for where it begins.
func (r *reader) streamOptions(only []string) (store.WatchOptions, []bson.Raw) {
	caps := r.data.Capabilities()
	opts := store.WatchOptions{ShowExpandedEvents: caps.ExpandedEvents, BatchSize: int32(r.batchLimit())}
	if caps.PreAndPostImages && r.recovery.bare == 0 {
		opts.FullDocument, opts.FullDocumentBeforeChange = store.ImageWhenAvailable, store.ImageWhenAvailable
	}
	var pipeline []bson.Raw
	if only != nil {
		pipeline = append(pipeline, coarseStage(only))
	}
	if r.recovery.bare == 2 {
		pipeline = append(pipeline, marshal(bson.D{{Key: "$unset", Value: bson.A{"fullDocument", "fullDocumentBeforeChange", "updateDescription"}}}))
	}
	if caps.SplitLargeEvents {
		pipeline = append(pipeline, marshal(bson.D{{Key: "$changeStreamSplitLargeEvent", Value: bson.D{}}}))
	}
	return opts, pipeline
}

// streamShape names the options and stages that tokens of a database's stream are good for.
func streamShape(db string, caps store.Capabilities) string {
	return fmt.Sprintf("database %s, expanded events %t, images %t, split %t", db, caps.ExpandedEvents, caps.PreAndPostImages, caps.SplitLargeEvents)
}

// watch opens the stream after the stored token, or at its time; else at a time, else at now.
func (r *reader) watch(ctx context.Context) error {
	only := r.only()
	opts, pipeline := r.streamOptions(only)
	v := &r.recovery
	v.skip = ""
	if r.state.Shape != "" && r.state.Shape != r.shape && r.state.Token != nil {
		_, v.byTime = r.tokenTime()
	}
	switch {
	case r.state.Token != nil && v.byTime:
		at, _ := r.tokenTime()
		opts.StartAtOperationTime, v.skip = &at, r.state.LastPos
	case r.state.Token != nil:
		opts.StartAfter = r.state.Token
	default:
		opts.StartAtOperationTime = r.at
	}
	stream, err := r.data.Watch(ctx, store.Namespace{DB: r.db}, pipeline, opts)
	if err != nil {
		return fmt.Errorf("open the change stream of %s: %w", r.db, err)
	}
	r.stream, v.resumed = stream, 0
	r.opens(only)
	return nil
}

// readOn is readBatch of a stream whose token is not stored: it is opened anew behind
// what was read after an invalidate event, and where an event is too large.
func (r *reader) readOn(ctx context.Context) error {
	for {
		err := r.readBatch(ctx)
		if !errors.Is(err, io.EOF) && !(isTooLarge(err) && r.lookCloser()) {
			return err
		}
		r.events = nil
		if err := r.again(ctx); err != nil {
			return err
		}
	}
}

// tookOn ends a batch of such a stream.
func (r *reader) tookOn(ctx context.Context) error {
	if token := r.token(); token != nil {
		r.state.Token = token
	}
	if r.tookSingly() {
		return r.again(ctx)
	}
	return nil
}

func (r *reader) again(ctx context.Context) error {
	r.close()
	return r.watch(ctx)
}

// lacking tells of a subscription that wants of the event what it was read without.
func (r *reader) lacking(rt *route, e *Event) bool {
	switch {
	case r.recovery.bare == 0:
		return false
	case r.recovery.bare == 2, rt.filter != nil, rt.where != nil:
		return true
	case rt.spec.FullDocumentBeforeChange != string(store.ImageOff) && (e.Op == "update" || e.Op == "replace" || e.Op == "delete"):
		return true
	}
	return rt.spec.FullDocument != string(store.ImageOff) && e.Op == "update" && e.Full.IsNullish()
}

// watchdog ends a run in which the server does not answer for long.
func (r *reader) watchdog(ctx context.Context, silence time.Duration) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if asked := r.asked.Load(); asked != 0 && time.Since(time.Unix(0, asked)) > silence {
			return errSilent
		}
	}
}

// moves tells whether the token of the stream moves, or has no reason to.
func (r *reader) moves() error {
	v := &r.recovery
	now, at := time.Now(), scanned(r.stream)
	if at > v.at || at >= string(appendPosition(nil, r.stream.OperationTime(), 0)) || v.since.IsZero() {
		v.at, v.since, v.patience = at, now, stallAfter
		r.stats.stands(false)
		return nil
	}
	if now.Sub(v.since) <= v.patience {
		return nil
	}
	v.since, v.patience = now, min(2*v.patience, stallLonger)
	return errStands
}

// clusterID names the replica set or the sharded cluster that a store is, "": its
// user may not ask.
func clusterID(ctx context.Context, st store.Store) (id string) {
	ask := func(db string, cmd bson.D, path ...string) string {
		reply, err := st.Command(ctx, db, marshal(cmd))
		if err != nil {
			return ""
		}
		return label(value.GetPath(reply, path))
	}
	if st.Capabilities().Sharded {
		return ask("config", bson.D{{Key: "find", Value: "version"}, {Key: "limit", Value: 1}, {Key: "singleBatch", Value: true}}, "cursor", "firstBatch", "0", "clusterId")
	}
	return ask("admin", bson.D{{Key: "replSetGetConfig", Value: 1}}, "config", "settings", "replicaSetId")
}

// sameCluster compares the cluster with the one that the token is of: the times and
// tokens of another mean nothing here, though they may be taken.
func (r *reader) sameCluster(ctx context.Context) error {
	was, is := r.state.Cluster, clusterID(ctx, r.data)
	r.cluster = was
	if is != "" {
		r.cluster = strings.Clone(is)
	}
	if r.state.Token == nil || was == "" || is == "" || was == is {
		return nil
	}
	return mongoerr.New(mongoerr.ChangeStreamHistoryLost, "the stored resume token is of the cluster %s, this is %s", was, is)
}
