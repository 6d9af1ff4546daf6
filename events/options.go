package events

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"weir/sqlerr"
)

// option is a row of the table of options: its name, how a value is taken into
// a spec, and how it is printed in its canonical form ("" leaves it out).
type option struct {
	name  string
	fixed bool // ALTER refuses it
	set   func(s *Spec, o *OptionValue) error
	show  func(s *Spec) string
}

// options is the table of all options, in the order in which SHOW CREATE prints them.
var options = slices.Concat(identityOptions, sourceOptions, deliveryOptions, retryOptions, correlationOptions)

func lookupOption(name string) (*option, bool) {
	i := slices.IndexFunc(options, func(o option) bool { return o.name == name })
	if i < 0 {
		return nil, false
	}
	return &options[i], true
}

// unknownOption is a 42704 with near names.
func unknownOption(name string, pos int) error {
	e := sqlerr.New(sqlerr.UndefinedObject, "unrecognized event subscription option %q", name).At(pos)
	all := make([]string, len(options))
	for i, o := range options {
		all[i] = o.name
	}
	if near := nearest(name, all); len(near) > 0 {
		return e.WithHint("Perhaps you meant %s.", strings.Join(near, ", "))
	}
	return e.WithHint("The options are %s.", strings.Join(all, ", "))
}

// nearest gives the few names that are like one that was given.
func nearest(name string, of []string) (near []string) {
	const most = 5
	far := min(3, max(1, len(name)/3))
	within := func(part, whole string) bool { return len(part) > 2 && strings.Contains(whole, part) }
	for _, n := range of {
		if len(near) < most && (within(n, name) || within(name, n) || distance(n, name) <= far) {
			near = append(near, n)
		}
	}
	return near
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

func textOption(name string, field func(*Spec) *string) option {
	return option{
		name: name,
		set:  func(s *Spec, o *OptionValue) (err error) { *field(s), err = o.text(); return err },
		show: func(s *Spec) string { return quoteUnlessEmpty(*field(s)) },
	}
}

func listOption(name string, field func(*Spec) *[]string) option {
	return option{
		name: name,
		set:  func(s *Spec, o *OptionValue) (err error) { *field(s), err = o.list(); return err },
		show: func(s *Spec) string { return showList(*field(s)) },
	}
}

func pathsOption(name string, field func(*Spec) *[]string, take func(*OptionValue) ([]string, error)) option {
	o := listOption(name, field)
	o.set = func(s *Spec, v *OptionValue) (err error) { *field(s), err = take(v); return err }
	return o
}

// labelOption is a text, or a path into the change event after $.
func labelOption(name string, field func(*Spec) *string) option {
	o := textOption(name, field)
	o.set = func(s *Spec, v *OptionValue) error {
		t, err := v.text()
		if p, is := strings.CutPrefix(t, "$"); err == nil && is && !validPath(p) {
			err = v.bad("a text, or $ and a path such as '$fullDocument.origin'")
		}
		if err == nil {
			*field(s) = t
		}
		return err
	}
	return o
}

func boolOption(name string, field func(*Spec) *bool) option {
	return option{
		name: name,
		set:  func(s *Spec, o *OptionValue) (err error) { *field(s), err = o.boolean(); return err },
		show: func(s *Spec) string { return showBool(*field(s)) },
	}
}

func intOption(name string, low, high int, field func(*Spec) *int) option {
	return option{
		name: name,
		set:  func(s *Spec, o *OptionValue) (err error) { *field(s), err = o.integer(low, high); return err },
		show: func(s *Spec) string { return showInt(*field(s)) },
	}
}

func wordOption(name string, field func(*Spec) *string, words ...string) option {
	return option{
		name: name,
		set:  func(s *Spec, o *OptionValue) (err error) { *field(s), err = o.oneOf(words...); return err },
		show: func(s *Spec) string { return quote(*field(s)) },
	}
}

var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

var identityOptions = []option{
	{name: "subscription_id", fixed: true, set: func(s *Spec, o *OptionValue) error {
		id, err := o.text()
		if err != nil {
			return err
		}
		if !validID.MatchString(id) {
			return o.bad("1 to 128 of the characters A-Z a-z 0-9 _ -")
		}
		s.ID = id
		return nil
	}, show: func(s *Spec) string { return quote(s.ID) }},
	textOption("service_name", func(s *Spec) *string { return &s.ServiceName }),
	textOption("description", func(s *Spec) *string { return &s.Description }),
	textOption("created_by", func(s *Spec) *string { return &s.CreatedBy }),
	listOption("tags", func(s *Spec) *[]string { return &s.Tags }),
}

var sourceOptions = []option{
	pathsOption("watch_collections", func(s *Spec) *[]string { return &s.Collections }, (*OptionValue).collections),
	{name: "event_types", set: setEventTypes, show: func(s *Spec) string { return showList(s.EventTypes) }},
	pathsOption("update_fields", func(s *Spec) *[]string { return &s.UpdateFields }, (*OptionValue).paths),
	{name: "event_filter", set: func(s *Spec, o *OptionValue) error {
		doc, err := o.document()
		if err != nil {
			return err
		}
		if _, err := CompileFilter(doc); err != nil {
			return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option %q: %s", o.Name, err.Error()).At(o.ValuePos).
				WithHint("The filter is a MongoDB query document over the change event, for example JSON_OBJECT('fullDocument.status', 'active').")
		}
		s.Filter = doc
		return nil
	}, show: func(s *Spec) string { return showDocument(s.Filter) }},
	textOption("where", func(s *Spec) *string { return &s.Where }),
	wordOption("full_document", func(s *Spec) *string { return &s.FullDocument }, "updateLookup", "whenAvailable", "required", "off"),
	wordOption("full_document_before_change", func(s *Spec) *string { return &s.FullDocumentBeforeChange }, "off", "whenAvailable", "required"),
	wordOption("on_history_lost", func(s *Spec) *string { return &s.OnHistoryLost }, "suspend", "skip", "backfill"),
	wordOption("on_collection_drop", func(s *Spec) *string { return &s.OnCollectionDrop }, "keep", "suspend"),
}

var deliveryOptions = []option{
	{name: "target", set: setTarget, show: func(s *Spec) string { return quoteUnlessEmpty(s.Target.Shown()) }},
	textOption("connection", func(s *Spec) *string { return &s.Connection }),
	{name: "secret", set: setSecret, show: func(s *Spec) string {
		if !s.signs() {
			return ""
		}
		return quote(masked)
	}},
	{name: "headers", set: func(s *Spec, o *OptionValue) (err error) { s.Headers, err = o.headers(); return err },
		show: func(s *Spec) string { return showMap(maskedHeaders(s.Headers)) }},
	wordOption("payload_format", func(s *Spec) *string { return &s.PayloadFormat }, "cloudevents", "cloudevents_binary", "change_event", "debezium"),
	textOption("transform", func(s *Spec) *string { return &s.Transform }),
	boolOption("batch_processing", func(s *Spec) *bool { return &s.Batch }),
	intOption("batch_size", 1, 10_000, func(s *Spec) *int { return &s.BatchSize }),
	intOption("batch_wait_ms", 0, 60_000, func(s *Spec) *int { return &s.BatchWaitMS }),
	{name: "preserve_order",
		set: func(s *Spec, o *OptionValue) (err error) {
			s.PreserveOrder, err = o.oneOf("true", "false", "strict")
			return err
		},
		show: func(s *Spec) string {
			if s.PreserveOrder == "strict" {
				return quote(s.PreserveOrder)
			}
			return s.PreserveOrder
		}},
	pathsOption("ordering_key", func(s *Spec) *[]string { return &s.OrderingKey }, (*OptionValue).paths),
	intOption("delivery_shards", 1, 64, func(s *Spec) *int { return &s.DeliveryShards }),
	wordOption("tracking", func(s *Spec) *string { return &s.Tracking }, "events", "summary"),
	{name: "retention", set: func(s *Spec, o *OptionValue) (err error) { s.Retention, err = o.duration(); return err },
		show: func(s *Spec) string { return showInterval(s.Retention) }},
	boolOption("inbox", func(s *Spec) *bool { return &s.Inbox }),
	{name: "dedupe_window", set: func(s *Spec, o *OptionValue) (err error) { s.DedupeWindow, err = o.duration(); return err },
		show: func(s *Spec) string {
			if !s.Target.Kind.dedupes() {
				return ""
			}
			return showInterval(s.DedupeWindow)
		}},
}

var retryOptions = []option{
	intOption("max_retry_attempts", -1, 1000, func(s *Spec) *int { return &s.MaxRetryAttempts }),
	intOption("retry_delay_ms", 1, 3_600_000, func(s *Spec) *int { return &s.RetryDelayMS }),
	intOption("max_retry_delay_ms", 1, 86_400_000, func(s *Spec) *int { return &s.MaxRetryDelayMS }),
	boolOption("exponential_backoff", func(s *Spec) *bool { return &s.ExponentialBackoff }),
	{name: "max_age", set: func(s *Spec, o *OptionValue) (err error) { s.MaxAge, err = o.duration(); return err },
		show: func(s *Spec) string { return showInterval(s.MaxAge) }},
	{name: "retry_statuses", set: func(s *Spec, o *OptionValue) (err error) { s.RetryStatuses, err = o.statuses(); return err },
		show: func(s *Spec) string { return showInts(s.RetryStatuses) }},
	{name: "terminal_statuses", set: func(s *Spec, o *OptionValue) (err error) { s.TerminalStatuses, err = o.statuses(); return err },
		show: func(s *Spec) string { return showInts(s.TerminalStatuses) }},
	intOption("processing_timeout_ms", 10, 3_600_000, func(s *Spec) *int { return &s.TimeoutMS }),
	boolOption("dead_letter_queue_enabled", func(s *Spec) *bool { return &s.DeadLetters }),
	wordOption("on_dead_letter", func(s *Spec) *string { return &s.OnDeadLetter }, "continue", "block_key", "pause"),
}

var correlationOptions = []option{
	pathsOption("correlation_path", func(s *Spec) *[]string { return &s.CorrelationPath }, (*OptionValue).somePaths),
	pathsOption("causation_path", func(s *Spec) *[]string { return &s.CausationPath }, (*OptionValue).somePaths),
	pathsOption("process_path", func(s *Spec) *[]string { return &s.ProcessPath }, (*OptionValue).somePaths),
	labelOption("source_service", func(s *Spec) *string { return &s.SourceService }),
	labelOption("target_service", func(s *Spec) *string { return &s.TargetService }),
	labelOption("interaction_type", func(s *Spec) *string { return &s.InteractionType }),
}

// ddlOperations are the operation types of change streams beyond documents.
var ddlOperations = []string{
	"create", "createIndexes", "drop", "dropDatabase", "dropIndexes", "modify", "rename",
	"refineCollectionShardKey", "reshardCollection", "shardCollection", "invalidate",
}

func setEventTypes(s *Spec, o *OptionValue) error {
	names, err := o.list()
	if err != nil {
		return err
	}
	s.EventTypes = nil
	for _, n := range names {
		t := eventType(n)
		if t == "" {
			return o.bad("a list of %s", strings.Join(eventTypes, ", "))
		}
		if !slices.Contains(s.EventTypes, t) {
			s.EventTypes = append(s.EventTypes, t)
		}
	}
	if len(s.EventTypes) == 0 {
		return o.bad("at least one of %s", strings.Join(eventTypes, ", "))
	}
	return nil
}

// eventTypes are the values of event_types.
var eventTypes = append([]string{"insert", "update", "replace", "delete", "ddl"}, ddlOperations...)

// eventType gives an event in its own spelling, "": there is none of the name.
func eventType(name string) string {
	i := slices.IndexFunc(eventTypes, func(k string) bool { return strings.EqualFold(k, name) })
	if i < 0 {
		return ""
	}
	return eventTypes[i]
}

func setTarget(s *Spec, o *OptionValue) error {
	t, err := o.text()
	if err != nil {
		return err
	}
	if t == string(TargetPull) {
		s.Target = Target{Kind: TargetPull}
		return nil
	}
	kind, name, _ := strings.Cut(t, ":")
	switch TargetKind(kind) {
	case TargetCollection, TargetNotify, TargetKafka, TargetNATS, TargetRedis, TargetRedisChannel:
		if name != "" {
			s.Target = Target{Kind: TargetKind(kind), Name: name}
			if own, ok := strings.CutPrefix(name, publicSchema+"."); ok && s.Target.Kind == TargetCollection && s.Connection == "" {
				s.Target.Name = s.ownCollection(own)
			}
			return nil
		}
	}
	if kind == "http" || kind == "https" || s.Connection != "" {
		s.Target = Target{Kind: TargetWebhook, Name: t}
		return checkURL(s.Target.Name, s.Connection != "", o)
	}
	return o.bad("an http:// or https:// URL, 'collection:NAME', 'notify:CHANNEL', 'pull', 'kafka:TOPIC', 'nats:SUBJECT', 'redis:STREAM' or 'redis-channel:NAME'")
}

// checkURL accepts absolute http(s) URLs, and relative ones where a connection
// gives the base.
func checkURL(target string, relative bool, o *OptionValue) error {
	u, err := url.Parse(target)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
		if _, err := strconv.ParseUint("0"+u.Port(), 10, 16); err != nil {
			return o.bad("a port up to 65535")
		}
		return nil
	}
	if err == nil && relative && u.Scheme == "" && u.Host == "" {
		return nil
	}
	return o.bad("an absolute http:// or https:// URL")
}

const secretPrefix = "whsec_"

func setSecret(s *Spec, o *OptionValue) error {
	key, err := o.text()
	if err != nil {
		return err
	}
	if key == masked { // as SHOW CREATE prints it: a new one is generated
		s.Secrets = nil
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, secretPrefix))
	if err != nil || !strings.HasPrefix(key, secretPrefix) || len(raw) < 24 || len(raw) > 64 {
		return o.bad("'whsec_' and the base64 form of 24 to 64 bytes")
	}
	s.Secrets = []Secret{{Key: key}}
	return nil
}
