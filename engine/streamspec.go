package engine

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

var errEnd = io.EOF

// streamSpec is the specification of $changeStream.
type streamSpec struct {
	fullDocument store.ImageMode
	before       store.ImageMode
	expanded     bool
	cluster      bool
	raw          bool // updates as the oplog describes them
	system       bool // system collections too
	onConfig     bool // may be opened on the database config
	onSystem     bool // may be opened on a system collection
}

// tokenKind orders what stands at one position: before its event, the event,
// behind it, the invalidation that it brings.
type tokenKind byte

const (
	tokenBefore     tokenKind = iota // high water mark: everything from here on is to come
	tokenEvent                       // the event itself
	tokenAfter                       // everything up to here was read
	tokenInvalidate                  // the invalidate event
)

// resumePoint is what a resume token says.
type resumePoint struct {
	pos  storage.OplogPos
	kind tokenKind
	// fragment is the part of the event, if that was split; from 1.
	fragment uint32
}

// behind is the point behind all changes of a cluster time, of which a transaction has
// several.
func behind(ts uint64) resumePoint {
	return resumePoint{pos: storage.OplogPos{TS: ts, Ord: math.MaxUint32}, kind: tokenAfter}
}

const tokenMark = 0x82

// token is the document {_data: hex} of a point; the hex text sorts like the points.
func token(p resumePoint) bson.Raw { return appendToken(make([]byte, 0, 56), p) }

// appendToken appends the token, a document.
func appendToken(dst []byte, p resumePoint) []byte {
	const digits = "0123456789ABCDEF"
	var buf [18]byte
	b := append(buf[:0], tokenMark)
	b = binary.BigEndian.AppendUint64(b, p.pos.TS)
	b = binary.BigEndian.AppendUint32(b, p.pos.Ord)
	b = append(b, byte(p.kind))
	if p.fragment > 0 {
		b = binary.BigEndian.AppendUint32(b, p.fragment)
	}
	var text [2 * len(buf)]byte
	for i, c := range b {
		text[2*i], text[2*i+1] = digits[c>>4], digits[c&15]
	}
	start, dst := value.BeginDocument(dst)
	dst = value.AppendHeader(dst, bson.TypeString, "_data")
	dst = binary.LittleEndian.AppendUint32(dst, uint32(2*len(b)+1))
	dst = append(append(dst, text[:2*len(b)]...), 0)
	return value.EndDocument(dst, start)
}

func parseToken(doc value.Value) (resumePoint, error) {
	var p resumePoint
	if !doc.IsDocument() {
		return p, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$changeStream.resumeAfter' is the wrong type '%s', expected type 'object'", value.TypeName(doc.Kind()))
	}
	data := value.Lookup(doc.Doc(), "_data")
	if !data.IsString() {
		return p, mongoerr.New(40647, "Bad resume token: _data of missing or of wrong type %s", doc)
	}
	b, err := hex.DecodeString(data.Str())
	if err != nil {
		return p, mongoerr.New(mongoerr.FailedToParse, "resume token string was not a valid hex string")
	}
	if len(b) != 14 && len(b) != 18 || b[0] != tokenMark || b[13] > byte(tokenInvalidate) {
		return p, mongoerr.New(mongoerr.InvalidResumeToken, "Invalid resume token: %s", data.Str())
	}
	p.pos = storage.OplogPos{TS: binary.BigEndian.Uint64(b[1:]), Ord: binary.BigEndian.Uint32(b[9:])}
	p.kind = tokenKind(b[13])
	if len(b) == 18 {
		p.fragment = binary.BigEndian.Uint32(b[14:])
	}
	return p, nil
}

func historyLost() error {
	return mongoerr.New(mongoerr.ChangeStreamHistoryLost,
		"Resume of change stream was not possible, as the resume point may no longer be in the oplog.").
		WithLabels("NonResumableChangeStreamError")
}

// start reads the specification and finds the first entry to read.
func (s *changeStream) start(ns store.Namespace, spec bson.Raw) error {
	s.scope = ns
	points := 0
	var at *resumePoint
	for it := value.Walk(spec); it.Next(); {
		v := it.Value()
		key := it.Key()
		if knownSpec(key) && (v.Kind() == bson.TypeNull || v.Kind() == bson.TypeUndefined) {
			continue // as if it were not there
		}
		switch key {
		case "resumeAfter", "startAfter":
			p, err := parseToken(v)
			if err != nil {
				return err
			}
			if key == "resumeAfter" && p.kind == tokenInvalidate {
				return mongoerr.New(mongoerr.InvalidResumeToken,
					"Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.")
			}
			at = &p
			points++
		case "startAtOperationTime":
			if v.Kind() != bson.TypeTimestamp {
				return streamType(key, v, "timestamp")
			}
			t, i := v.AsTimestamp()
			at = &resumePoint{pos: storage.OplogPos{TS: uint64(t)<<32 | uint64(i)}}
			points++
		default:
			if err := s.option(key, v); err != nil {
				return err
			}
		}
	}
	if points > 1 {
		return mongoerr.New(40674, "Only one type of resume option is allowed, but multiple were found.")
	}
	if s.spec.cluster {
		if ns.DB != "admin" || ns.Coll != "" {
			return mongoerr.New(mongoerr.InvalidOptions, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database, and with no collection name; found %s", ns)
		}
		s.scope = store.Namespace{}
	} else if s.e.isInternal(ns.DB) && !(ns.DB == "config" && s.spec.onConfig) {
		return mongoerr.New(mongoerr.InvalidNamespace, "$changeStream may not be opened on the internal %s database", ns.DB)
	} else if strings.HasPrefix(ns.Coll, "system.") && !s.spec.onSystem {
		return mongoerr.New(mongoerr.InvalidNamespace, "$changeStream may not be opened on the internal %s collection", ns)
	}
	return s.position(at)
}

func streamType(key string, v value.Value, want string) error {
	return mongoerr.New(mongoerr.TypeMismatch, "BSON field '$changeStream.%s' is the wrong type '%s', expected type '%s'", key, value.TypeName(v.Kind()), want)
}

var (
	postModes = []string{"default", "updateLookup", "whenAvailable", "required"}
	preModes  = []string{"off", "whenAvailable", "required"}
)

func (s *changeStream) option(key string, v value.Value) error {
	switch key {
	case "fullDocument", "fullDocumentBeforeChange":
		modes := postModes
		if key != "fullDocument" {
			modes = preModes
		}
		if !v.IsString() {
			return streamType(key, v, "string")
		}
		if !slices.Contains(modes, v.Str()) {
			if key == "fullDocument" {
				return mongoerr.New(40575, "unrecognized value for the 'fullDocument' option to the $changeStream stage. Expected one of '%s', got '%s'", strings.Join(modes, "', '"), v.Str())
			}
			return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field '$changeStream.%s' is not a valid value.", v.Str(), key)
		}
		mode := store.ImageMode(strings.Clone(v.Str()))
		if mode == "default" || mode == "off" {
			mode = store.ImageDefault
		}
		if key == "fullDocument" {
			s.spec.fullDocument = mode
		} else {
			s.spec.before = mode
		}
	case "showExpandedEvents", "allChangesForCluster", "showMigrationEvents", "allowToRunOnConfigDB", "allowToRunOnSystemNS", "showSystemEvents", "showRawUpdateDescription":
		if v.Kind() != bson.TypeBoolean {
			return streamType(key, v, "bool")
		}
		if to := s.spec.flag(key); to != nil {
			*to = v.AsBool()
		}
	default:
		return mongoerr.New(40415, "BSON field '$changeStream.%s' is an unknown field.", key)
	}
	return nil
}

func knownSpec(key string) bool {
	switch key {
	case "resumeAfter", "startAfter", "startAtOperationTime", "fullDocument", "fullDocumentBeforeChange", "showMigrationEvents":
		return true
	}
	return new(streamSpec).flag(key) != nil
}

// flag is where a yes or no of the specification is kept; nil for what makes no
// difference without shards.
func (o *streamSpec) flag(key string) *bool {
	switch key {
	case "showExpandedEvents":
		return &o.expanded
	case "allChangesForCluster":
		return &o.cluster
	case "showRawUpdateDescription":
		return &o.raw
	case "showSystemEvents":
		return &o.system
	case "allowToRunOnConfigDB":
		return &o.onConfig
	case "allowToRunOnSystemNS":
		return &o.onSystem
	}
	return nil
}

// position finds where to begin to read.
func (s *changeStream) position(at *resumePoint) error {
	if at == nil {
		durable := s.e.log.Durable()
		s.next, s.read = storage.OplogPos{TS: durable + 1}, durable
		s.scanned = token(behind(durable))
		s.returns = s.scanned
		return nil
	}
	s.next = at.pos
	switch {
	case at.kind == tokenBefore || at.fragment > 0:
	case at.pos.Ord == math.MaxUint32:
		s.next = storage.OplogPos{TS: at.pos.TS + 1}
	default:
		s.next.Ord++
	}
	if at.fragment > 0 && !s.splits {
		return mongoerr.New(mongoerr.ChangeStreamFatalError, "Cannot resume from a split event token: the pipeline has no $changeStreamSplitLargeEvent").
			WithLabels("NonResumableChangeStreamError")
	}
	s.seen = int(at.fragment)
	s.scanned, s.returns = token(*at), token(*at)
	if s.e.log.Lost(at.pos) {
		return historyLost()
	}
	return s.checkResume(at)
}

// checkResume makes sure that the event of a token is in the log. A token that
// stands for a place rather than an event may be of a change that is not logged.
func (s *changeStream) checkResume(at *resumePoint) error {
	if at.kind == tokenBefore {
		return nil
	}
	e, ok, err := s.e.log.At(at.pos)
	if ok && at.kind == tokenEvent && s.inScope(&e) && s.invalidates(&e) {
		last := resumePoint{pos: at.pos, kind: tokenInvalidate}
		s.put(s.head(last, "invalidate", &e))
		s.ended, s.scanned = true, token(last)
	}
	if err == nil && !ok && (at.kind != tokenAfter || at.pos.TS > s.e.log.Last()) {
		err = notFound(value.Document(token(*at)))
	}
	if err == nil && ok && s.scope.Coll != "" && at.kind != tokenAfter && e.UUID == [16]byte{} {
		err = mongoerr.New(mongoerr.InvalidResumeToken, "Attempted to resume a single-collection stream, but the resume token does not include a UUID")
	}
	if err == nil && ok && at.kind == tokenEvent && !s.ended {
		s.absent = s.foreign(&e)
	}
	return err
}

// foreign tells whether an entry is none of the stream's events, so that the
// stream cannot be resumed there. Events of showExpandedEvents are places to
// resume at for all.
func (s *changeStream) foreign(e *oplog.Entry) bool {
	expanded := s.spec.expanded
	defer func() { s.spec.expanded = expanded }()
	s.spec.expanded = true
	return !s.inScope(e)
}
