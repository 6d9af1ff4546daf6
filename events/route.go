package events

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/parser"
	"weir/store"
)

// route decides which events of a database a subscription wants, and makes the
// log's rows of them. It is compiled once and used by one reader at a time.
type route struct {
	spec     *Spec
	after    string // events at or before this position are not wanted; "": all are
	until    string // events after it are not wanted; "": all are
	own      string // the collection that the subscription itself writes to
	ops      map[string]bool
	ddl      bool
	names    map[string]bool // exact collections
	patterns []string        // with *
	fields   []string        // update_fields
	filter   *match.Matcher
	where    Condition
	ctx      expr.Context
	term     *term // an event that does not fulfil it is not wanted; nil: there is none

	correlation, causation, process labelSource
	source, target, interaction     labelPath
	status                          string     // of a new row
	rows                            []bson.Raw // of the batch that is being routed
}

// compileRoute prepares a subscription's route.
func compileRoute(ctx context.Context, lang Language, s *Spec) (*route, error) {
	r := &route{
		spec: s, ops: map[string]bool{}, names: map[string]bool{}, fields: s.UpdateFields,
		correlation: makeLabelSource(fieldCorrelation, s.CorrelationPath), causation: makeLabelSource(fieldCausation, s.CausationPath),
		process: makeLabelSource(fieldProcess, s.ProcessPath), source: makeLabelPath(s.SourceService, fieldSource),
		target: makeLabelPath(s.TargetService, fieldTarget), interaction: makeLabelPath(s.InteractionType, fieldInteraction),
		status: StatusQueued,
	}
	if s.Target.Kind == TargetNone {
		r.status = StatusCompleted
	}
	if s.Target.Kind == TargetCollection && s.Connection == "" {
		r.own = strings.TrimPrefix(s.Target.Name, s.Database+".")
	}
	for _, t := range s.EventTypes {
		r.ops[t] = true
	}
	r.ddl = r.ops["ddl"]
	for _, c := range s.Collections {
		if strings.Contains(c, "*") {
			r.patterns = append(r.patterns, c)
		} else {
			r.names[c] = true
		}
	}
	var err error
	if len(s.Filter) > 0 {
		if r.filter, err = r.compileFilter(s.Filter); err != nil {
			return nil, err
		}
	}
	if s.Where != "" {
		r.where, err = lang.ConditionText(ctx, s.Where)
		r.hashWhere(s.Where)
	}
	return r, err
}

// hashWhere finds a term of the condition to hash, where the filter has none.
func (r *route) hashWhere(where string) {
	e, err := parser.ParseExpr(where)
	if err != nil || r.term != nil {
		return
	}
	if r.term = whereTerm(e); r.term != nil && r.term.names[0] == eventData && r.spec.FullDocument == string(store.ImageOff) {
		r.term = nil // its event_data of an update is another one than that of others
	}
}

// compileFilter compiles the filter and finds a term of it to hash.
func (r *route) compileFilter(filter bson.Raw) (*match.Matcher, error) {
	doc, err := distribute(filter, "")
	if err != nil {
		return nil, err
	}
	r.term = filterTerm(doc)
	return match.Compile(doc, nil)
}

// wantsKind tells by operation and collection alone whether an event can be wanted.
func (r *route) wantsKind(op, coll string) bool {
	if !r.ops[op] && !(r.ddl && slices.Contains(ddlOperations, op)) {
		return false
	}
	return r.wantsCollection(coll)
}

// wantsCollection leaves out what the subscription writes itself: it would never end.
func (r *route) wantsCollection(coll string) bool {
	if r.own != "" && (coll == r.own || coll == r.own+"_inbox") {
		return false
	}
	if len(r.names) == 0 && len(r.patterns) == 0 || coll == "" || r.names[coll] {
		return true
	}
	return r.matchesPattern(coll)
}

func (r *route) matchesPattern(coll string) bool {
	return slices.ContainsFunc(r.patterns, func(p string) bool { return globMatch(p, coll) })
}

// globMatch matches a pattern in which * stands for any run of characters.
func globMatch(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, last)
}

// wants tells whether the event passes update_fields and event_filter. An error
// of the filter counts as no match only where MongoDB's would.
func (r *route) wants(e *Event) (bool, error) {
	if !r.wantsKind(e.Op, e.Coll) && (e.To == "" || !r.wantsKind(e.Op, e.To)) {
		return false, nil
	}
	if e.Op == "update" && len(r.fields) > 0 && !r.touches(e) {
		return false, nil
	}
	if r.filter == nil {
		return true, nil
	}
	return r.fulfils(r.filter, e)
}

// fulfils asks a filter about an event. Its $$NOW is the present, its $$CLUSTER_TIME
// that of the event.
func (r *route) fulfils(f *match.Matcher, e *Event) (bool, error) {
	r.ctx.Root, r.ctx.Now, r.ctx.ClusterTime = e.Raw, time.Now().UnixMilli(), value.Timestamp(e.Time.T, e.Time.I)
	ok, err := f.Match(&r.ctx, e.Raw)
	r.ctx.Root = nil // else each route holds on to an event
	return ok, err
}

// touches tells whether an update set, removed or truncated one of update_fields, or a
// path under or above one.
func (r *route) touches(e *Event) bool {
	if e.Updated.IsDocument() {
		for it := value.Walk(e.Updated.Doc()); it.Next(); {
			if r.touchesPath(it.Key()) || it.Key() == catalog.FineField && r.touchesFine(it.Value()) {
				return true
			}
		}
	}
	if e.Removed.IsArray() {
		for it := value.Walk(e.Removed.Doc()); it.Next(); {
			if r.touchesPath(text(it.Value())) {
				return true
			}
		}
	}
	return r.touchesTruncated(e)
}

// touchesTruncated is touches for arrays that an update cut off at their ends, which a
// server tells of apart.
func (r *route) touchesTruncated(e *Event) bool {
	if !e.Update.IsDocument() {
		return false
	}
	cut := value.Lookup(e.Update.Doc(), "truncatedArrays")
	if !cut.IsArray() {
		return false
	}
	for it := value.Walk(cut.Doc()); it.Next(); {
		if v := it.Value(); v.IsDocument() && r.touchesPath(text(value.Lookup(v.Doc(), "field"))) {
			return true
		}
	}
	return false
}

// touchesFine is touchesPath for the first microseconds of a document: those
// of a column are of its field.
func (r *route) touchesFine(hidden value.Value) bool {
	if hidden.IsDocument() {
		for it := value.Walk(hidden.Doc()); it.Next(); {
			if r.touchesPath(it.Key()) {
				return true
			}
		}
	}
	return false
}

func (r *route) touchesPath(changed string) bool {
	if column, hidden := strings.CutPrefix(changed, catalog.FineField+"."); hidden && r.touchesPath(column) {
		return true
	}
	for _, f := range r.fields {
		if changed == f || strings.HasPrefix(changed, f+".") || strings.HasPrefix(f, changed+".") {
			return true
		}
	}
	return false
}

// labelPath gives a service or interaction: a constant text, a path into the
// event, or the first of well-known fields.
type labelPath struct {
	constant string
	from     labelSource
}

// makeLabelPath prepares an option: text, or a path after "$".
func makeLabelPath(option string, f wellKnownField) labelPath {
	if p, ok := strings.CutPrefix(option, "$"); ok {
		return labelPath{from: labelSource{paths: makePaths([]string{p})}}
	}
	return labelPath{constant: option, from: labelSource{field: f}}
}

func (l labelPath) in(e *Event, otherwise string) string {
	if l.constant != "" {
		return l.constant
	}
	if s := l.from.in(e); s != "" {
		return s
	}
	return otherwise
}

// The values of processing_status.
const (
	StatusQueued     = "queued"
	StatusProcessing = "processing"
	StatusCompleted  = "completed"
	StatusRetrying   = "retrying"
	StatusFailed     = "failed"
	StatusSkipped    = "skipped"
)

// appendRow appends the log's row of an event for the route's subscription. Its
// fields are the columns of CHANGE_STREAM_EVENTS(), in their order; what can be
// computed from others (event_data, updated_fields …) is computed when read.
func (r *route) appendRow(dst []byte, e *Event, position string, nowMS int64, gateway string) []byte {
	s := r.spec
	start, dst := value.BeginDocument(dst)
	id := s.ID + ":" + position
	str := func(key, v string) {
		if v != "" {
			dst = value.AppendElement(dst, key, value.String(v))
		}
	}
	date := func(key string, ms int64) { dst = value.AppendElement(dst, key, value.Date(ms)) }
	str("_id", id)
	str("position", position)
	str("subscription_id", s.ID)
	str("subscription_name", s.Name)
	str("service_name", s.ServiceName)
	str("event_type", e.Op)
	str("database_name", e.DB)
	str("collection_name", e.Coll)
	dst = value.AppendElement(dst, "document_key", e.Key)
	date("event_timestamp", e.WallMS)
	dst = value.AppendElement(dst, "cluster_time", value.Timestamp(e.Time.T, e.Time.I))
	str("resume_token", text(value.Lookup(e.Token, "_data")))
	date("resume_token_timestamp", int64(e.Time.T)*1000)
	str("processing_status", r.status)
	date("queued_at", nowMS)
	dst = r.appendOutcome(dst, nowMS, gateway)
	dst = value.AppendElement(dst, "retry_count", value.Int32(0))
	str("correlation_id", r.correlation.in(e))
	str("causation_id", r.causation.in(e))
	str("business_process_id", r.process.in(e))
	str("source_service", r.source.in(e, ""))
	str("target_service", r.target.in(e, s.ServiceName))
	str("interaction_type", r.interaction.in(e, e.Op))
	str("trace_parent", label(e.wellKnown(fieldTrace)))
	full, before := r.images(e)
	dst = value.AppendElement(dst, "full_document", full)
	dst = value.AppendElement(dst, "full_document_before_change", before)
	dst = value.AppendElement(dst, "update_description", e.Update)
	dst = value.AppendElement(dst, "to", e.ToNS)
	dst = value.AppendElement(dst, "size_bytes", value.Int32(int32(len(e.Raw))))
	dst = value.AppendElement(dst, "txn_number", e.TxnNumber)
	if r.status == StatusCompleted {
		date("expire_at", nowMS+s.Retention.Milliseconds())
	}
	return value.EndDocument(dst, start)
}

// seen is the event that a subscription sees: documents that were looked up for
// others are not part of it.
func (r *route) seen(e, into *Event) *Event {
	if r.spec.FullDocument == string(store.ImageUpdateLookup) {
		return e
	}
	return e.unlooked(into)
}

// images are the documents of an event that the subscription wants.
func (r *route) images(e *Event) (full, before value.Value) {
	full, before = e.Full, e.Before
	if r.spec.FullDocument == string(store.ImageOff) && e.Op == "update" {
		full = noValue
	}
	if r.spec.FullDocumentBeforeChange == string(store.ImageOff) {
		before = noValue
	}
	return full, before
}

// appendOutcome fills what a row that needs no delivery has from the start.
func (r *route) appendOutcome(dst []byte, nowMS int64, gateway string) []byte {
	if r.status != StatusCompleted {
		return dst
	}
	dst = value.AppendElement(dst, "processing_started_at", value.Date(nowMS))
	dst = value.AppendElement(dst, "processing_completed_at", value.Date(nowMS))
	dst = value.AppendElement(dst, "processing_duration_ms", value.Double(0))
	return value.AppendElement(dst, "processed_by", value.String(gateway))
}

// rowEvent is the change event as sinks and filters over rows see it, found
// again from a row of the log.
func rowEvent(row bson.Raw) (e Event) {
	e.Raw = row
	for it := value.Walk(row); it.Next(); {
		switch v := it.Value(); it.Key() {
		case "event_type":
			e.Op = v.Str()
		case "database_name":
			e.DB = v.Str()
		case "collection_name":
			e.Coll = v.Str()
		case "document_key":
			e.Key = v
		case "event_timestamp":
			e.WallMS = v.AsDate()
		case "cluster_time":
			e.Time.T, e.Time.I = v.AsTimestamp()
		case "full_document":
			e.Full = v
		case "full_document_before_change":
			e.Before = v
		case "to":
			e.ToNS, e.To = v, text(value.Lookup(v.Doc(), "coll"))
		case "update_description":
			e.Update = v
			e.Updated, e.Removed = value.Lookup(v.Doc(), "updatedFields"), value.Lookup(v.Doc(), "removedFields")
		}
	}
	return e
}
