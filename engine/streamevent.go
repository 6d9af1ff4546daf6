package engine

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/update"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// event puts the events that an oplog entry means to the stream into its queue:
// none, one, or one and an invalidation.
func (s *changeStream) event(pos storage.OplogPos, e *oplog.Entry) error {
	if !s.inScope(e) {
		return nil
	}
	if err := s.show(pos, e); err != nil {
		return err
	}
	if s.invalidates(e) {
		s.put(s.head(resumePoint{pos: pos, kind: tokenInvalidate}, "invalidate", e))
		s.ended = true
	}
	return nil
}

// show queues the event of an entry. One whose images are missing is left out
// where the stages behind refuse it anyway.
func (s *changeStream) show(pos storage.OplogPos, e *oplog.Entry) error {
	start, d := s.head(resumePoint{pos: pos, kind: tokenEvent}, string(e.Kind), e)
	d, err := s.appendBody(d, pos, e)
	if err == nil {
		s.put(start, d)
		return nil
	}
	if mongoerr.CodeOf(err) != mongoerr.NoMatchingDocument {
		return err
	}
	bare, berr := s.bare(pos, e)
	if berr != nil {
		return berr
	}
	if refused, rerr := s.refused(bare); refused || rerr != nil {
		return rerr
	}
	return err
}

// bare is the event of an entry without its images.
func (s *changeStream) bare(pos storage.OplogPos, e *oplog.Entry) (ev bson.Raw, err error) {
	err = s.withoutImages(func() error {
		start, d := s.head(resumePoint{pos: pos, kind: tokenEvent}, string(e.Kind), e)
		d, err := s.appendBody(d, pos, e)
		if err == nil {
			ev = value.EndDocument(d, start)[start:]
		}
		return err
	})
	return ev, err
}

// put ends an event of the arena and queues it.
func (s *changeStream) put(start int, d []byte) {
	s.arena = value.EndDocument(d, start)
	s.queue = append(s.queue, bson.Raw(slices.Clip(s.arena[start:])))
}

// inScope tells whether the stream shows an entry.
func (s *changeStream) inScope(e *oplog.Entry) bool {
	if s.scope.DB == "" && s.e.isInternal(e.DB) {
		return false
	}
	switch e.Kind {
	case oplog.Noop:
		return false
	case oplog.Create, oplog.CreateIndexes, oplog.DropIndexes, oplog.Modify:
		if !s.spec.expanded {
			return false
		}
	case oplog.Drop:
		if e.UUID == [16]byte{} && !s.spec.expanded {
			return false // a view
		}
	case oplog.DropDatabase:
		return s.scope.DB == "" || s.scope.Coll == "" && s.scope.DB == e.DB
	}
	if e.Kind == oplog.Rename && s.renamedInto(e) {
		return true
	}
	switch {
	case s.scope.DB != "" && s.scope.DB != e.DB:
		return false
	case s.scope.Coll == "":
		return s.shows(e.Coll)
	}
	return s.scope.Coll == e.Coll && e.UUID != [16]byte{} // views have no streams
}

// isInternal tells whether a database has no change streams.
func (e *Engine) isInternal(db string) bool {
	return isServersOwn(db) || slices.Contains(e.opts.InternalDatabases, db)
}

// unlogged tells of a change of a document that the oplog leaves out: nothing
// could show it.
func (e *Engine) unlogged(c *oplog.Entry) bool {
	switch c.Kind {
	case oplog.Insert, oplog.Update, oplog.Replace, oplog.Delete:
		return slices.Contains(e.opts.InternalDatabases, c.DB)
	}
	return false
}

func isServersOwn(db string) bool { return db == "admin" || db == "config" || db == "local" }

func (s *changeStream) renamedInto(e *oplog.Entry) bool {
	to := value.Lookup(e.Doc, "to").Doc()
	if s.scope.DB != "" && value.Lookup(to, "db").Str() != s.scope.DB {
		return false
	}
	coll := value.Lookup(to, "coll").Str()
	return coll == s.scope.Coll || s.scope.Coll == "" && s.shows(coll)
}

// shows tells whether a stream over several collections includes one.
func (s *changeStream) shows(coll string) bool {
	return s.spec.system || !strings.HasPrefix(coll, "system.")
}

// invalidates tells whether the stream ends with an entry.
func (s *changeStream) invalidates(e *oplog.Entry) bool {
	switch e.Kind {
	case oplog.Drop, oplog.Rename:
		return s.scope.Coll != ""
	case oplog.DropDatabase:
		return s.scope.DB != ""
	}
	return false
}

// head begins an event behind those of the arena.
func (s *changeStream) head(p resumePoint, kind string, e *oplog.Entry) (int, []byte) {
	start, d := value.BeginDocument(slices.Grow(s.arena, 512+len(e.Doc)))
	if p.kind == tokenEvent {
		// The server puts these in front of everything.
		if e.Kind == oplog.Rename {
			d = value.AppendElement(d, "to", value.Lookup(e.Doc, "to"))
		}
		if e.Session != nil {
			d = value.AppendElement(d, "txnNumber", value.Int64(e.Txn))
			d = value.AppendElement(d, "lsid", value.Document(e.Session))
		}
	}
	d = appendToken(value.AppendHeader(d, bson.TypeEmbeddedDocument, "_id"), p)
	d = value.AppendElement(d, "operationType", value.String(kind))
	d = value.AppendElement(d, "clusterTime", value.Timestamp(uint32(p.pos.TS>>32), uint32(p.pos.TS)))
	if s.spec.expanded && e.UUID != [16]byte{} && p.kind == tokenEvent {
		d = value.AppendElement(d, "collectionUUID", value.Binary(4, e.UUID[:]))
	}
	return start, value.AppendElement(d, "wallTime", value.Date(e.Wall))
}

// appendBody appends what follows the head.
func (s *changeStream) appendBody(d []byte, pos storage.OplogPos, e *oplog.Entry) ([]byte, error) {
	d, err := s.appendAfter(d, pos, e)
	if err != nil {
		return nil, err
	}
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "ns")
	inner, d := value.BeginDocument(d)
	d = value.AppendElement(d, "db", value.String(e.DB))
	if e.Coll != "" {
		d = value.AppendElement(d, "coll", value.String(e.Coll))
	}
	d = value.EndDocument(d, inner)
	if e.Key != nil {
		d = value.AppendElement(d, "documentKey", value.Document(e.Key))
	}
	return s.appendBefore(s.appendDescription(d, e), pos, e)
}

func (s *changeStream) appendDescription(d []byte, e *oplog.Entry) []byte {
	switch e.Kind {
	case oplog.Update:
		return s.appendUpdate(d, e)
	case oplog.Rename:
		if s.spec.expanded {
			d = value.AppendElement(d, "operationDescription", value.Document(e.Doc))
		}
	case oplog.Create, oplog.CreateIndexes, oplog.DropIndexes, oplog.Modify:
		d = value.AppendElement(d, "operationDescription", value.Document(e.Doc))
		if e.Extra != nil {
			d = value.AppendElement(d, "stateBeforeChange", value.Document(e.Extra))
		}
	}
	return d
}

func (s *changeStream) appendUpdate(d []byte, e *oplog.Entry) []byte {
	if s.spec.raw {
		return value.AppendElement(d, "rawUpdateDescription", value.Document(rawUpdate(e.Doc)))
	}
	paths := value.Lookup(e.Doc, update.DisambiguatedPaths)
	if !s.spec.expanded && paths.IsMissing() {
		return value.AppendElement(d, "updateDescription", value.Document(e.Doc))
	}
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "updateDescription")
	inner, d := value.BeginDocument(d)
	for it := value.Walk(e.Doc); it.Next(); {
		if it.Key() != update.DisambiguatedPaths {
			d = append(d, it.Element()...)
		}
	}
	if s.spec.expanded {
		if paths.IsMissing() {
			paths = value.Document(emptyDoc)
		}
		d = value.AppendElement(d, update.DisambiguatedPaths, paths)
	}
	return value.EndDocument(d, inner)
}

// appendAfter appends fullDocument as the stream's mode wants it.
func (s *changeStream) appendAfter(d []byte, pos storage.OplogPos, e *oplog.Entry) ([]byte, error) {
	switch e.Kind {
	case oplog.Insert, oplog.Replace:
		return value.AppendElement(d, "fullDocument", value.Document(e.Doc)), nil
	case oplog.Update:
	default:
		return d, nil
	}
	switch s.spec.fullDocument {
	case store.ImageUpdateLookup:
		doc, err := s.lookUp(e)
		return appendImage(d, "fullDocument", doc), err
	case store.ImageWhenAvailable, store.ImageRequired:
		doc, ok, err := s.e.db.Get(storage.PostImageKey(pos), nil)
		if err != nil {
			return d, err
		}
		if !ok && s.spec.fullDocument == store.ImageRequired {
			return d, noImage("post-image", "fullDocument")
		}
		if !ok {
			doc = nil
		}
		return appendImage(d, "fullDocument", doc), nil
	}
	return d, nil
}

func (s *changeStream) appendBefore(d []byte, pos storage.OplogPos, e *oplog.Entry) ([]byte, error) {
	if s.spec.before == store.ImageDefault || e.Kind != oplog.Update && e.Kind != oplog.Replace && e.Kind != oplog.Delete {
		return d, nil
	}
	doc, ok, err := s.e.db.Get(storage.PreImageKey(pos), nil)
	if err != nil {
		return d, err
	}
	if !ok && s.spec.before == store.ImageRequired {
		return d, noImage("pre-image", "fullDocumentBeforeChange")
	}
	if !ok {
		doc = nil
	}
	return appendImage(d, "fullDocumentBeforeChange", doc), nil
}

func noImage(kind, option string) error {
	return mongoerr.New(mongoerr.NoMatchingDocument, "Change stream was configured to require a %s for all update, delete and replace events, but the %s was not found for event (option %s)", kind, kind, option).
		WithLabels("NonResumableChangeStreamError")
}

func appendImage(d []byte, name string, doc bson.Raw) []byte {
	if doc == nil {
		return value.AppendElement(d, name, value.Null())
	}
	return value.AppendElement(d, name, value.Document(doc))
}

// lookUp reads the present version of an updated document; nil when it is gone.
func (s *changeStream) lookUp(e *oplog.Entry) (bson.Raw, error) {
	c := s.e.catalog.get(store.Namespace{DB: e.DB, Coll: e.Coll})
	if c == nil || c.uuid != e.UUID || c.load().view != nil {
		return nil, nil
	}
	_, doc, err := findID(s.e.db, c, c.load().idIndex(), value.Lookup(e.Key, "_id"), nil)
	return doc, err
}
