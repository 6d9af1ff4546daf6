package events

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
)

// Definition is a subscription as a CREATE asks for it.
type Definition struct {
	Spec     *Spec
	Start    *ast.StreamPosition // nil: NOW
	Backfill bool
	// NewSecret is set when the secret was generated: it is shown once.
	NewSecret string
	given     givenOptions
}

// define makes the spec of a CREATE EVENT_SUBSCRIPTION. Nothing is stored, so
// every mistake leaves all as it was.
func define(ctx context.Context, lang Language, names *spelling, user string, n *ast.CreateEventSubscription) (*Definition, error) {
	s := NewSpec(names.db, n.Name.Name)
	s.CreatedBy = user
	if err := applyClauses(ctx, lang, names, s, n); err != nil {
		return nil, err
	}
	if err := clauseTwice(s, n); err != nil {
		return nil, err
	}
	given, err := applyOptions(ctx, lang, s, n.Options, nil)
	if err != nil {
		return nil, err
	}
	if d := n.Deliver; d != nil && d.Kind == ast.SinkWebhook {
		// A text says what it says as an option.
		if err := setTarget(s, &OptionValue{Name: "target", ValuePos: d.Pos(), Value: value.String(d.Target)}); err != nil {
			return nil, err
		}
	}
	if !validID.MatchString(s.ID) {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "the name \"%s\" cannot be a subscription_id", s.Name).At(n.Name.Pos()).
			WithHint("Give a subscription_id of 1 to 128 of the characters A-Z a-z 0-9 _ -.")
	}
	if err := check(ctx, lang, s, given.withDelivery(n.Deliver), n.Pos()); err != nil {
		return nil, err
	}
	d := &Definition{Spec: s, Start: n.Start, Backfill: n.Backfill, given: given}
	d.sign()
	return d, nil
}

// sign makes a secret for a webhook that has none.
func (d *Definition) sign() {
	if s := d.Spec; s.Target.Kind == TargetWebhook && len(s.Secrets) == 0 {
		d.NewSecret = newSecret()
		s.Secrets = []Secret{{Key: d.NewSecret}}
	}
}

func newSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:])
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// applyClauses takes ON, FOR, WHERE and DELIVER TO.
func applyClauses(ctx context.Context, lang Language, names *spelling, s *Spec, n *ast.CreateEventSubscription) error {
	for _, c := range n.Collections {
		if of := c.Qualifier(); !of.IsZero() && of.Name != publicSchema && of.Text != s.Database {
			return sqlerr.New(sqlerr.FeatureNotSupported, "a subscription of database \"%s\" cannot watch database \"%s\"", s.Database, of.Text).At(c.Pos()).
				WithHint("Connect to database %s and create it there.", of.Text)
		}
		s.Collections = append(s.Collections, names.collection(c.Last()))
	}
	s.Collections = distinct(s.Collections)
	applyEvents(names, s, n.Events)
	if n.Where != nil {
		if err := applyWhere(ctx, lang, s, n.Where); err != nil {
			return err
		}
	}
	applyDeliver(names, s, n.Deliver)
	return nil
}

// applyEvents takes FOR: what any of its parts asks for is wanted.
func applyEvents(names *spelling, s *Spec, list []*ast.EventSelector) {
	if len(list) > 0 {
		s.EventTypes = nil
	}
	anyUpdate := false
	for _, e := range list {
		t := eventType(e.Event)
		s.EventTypes = append(s.EventTypes, t)
		anyUpdate = anyUpdate || t == "update" && len(e.Fields) == 0
		for _, f := range e.Fields {
			s.UpdateFields = append(s.UpdateFields, names.fields(f)...)
		}
	}
	s.EventTypes, s.UpdateFields = distinct(s.EventTypes), distinct(s.UpdateFields)
	if anyUpdate {
		s.UpdateFields = nil
	}
}

// distinct leaves out what is named again.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

const whereHint = "The condition is over the columns of CHANGE_STREAM_EVENTS(), for example full_document->>'status' = 'paid'."

// applyWhere takes a condition, or a filter document in its place.
func applyWhere(ctx context.Context, lang Language, s *Spec, e ast.Expr) error {
	_, err := lang.Condition(ctx, e)
	if err == nil {
		s.Where = lang.Print(e)
		return nil
	}
	v, constErr := lang.Constant(ctx, e)
	if constErr != nil || !v.IsDocument() && !(v.IsString() && strings.HasPrefix(strings.TrimSpace(v.Str()), "{")) {
		e := *sqlerr.As(err)
		if e.Hint == "" {
			e.Hint = whereHint
		}
		return &e
	}
	return setOption(s, &OptionValue{Name: "event_filter", NamePos: e.Pos(), ValuePos: e.Pos(), Value: v})
}

func dotted(n *ast.Name) string {
	parts := make([]string, len(n.Parts))
	for i, p := range n.Parts {
		parts[i] = p.Text
	}
	return strings.Join(parts, ".")
}

var sinkKinds = map[ast.SinkKind]TargetKind{
	ast.SinkWebhook: TargetWebhook, ast.SinkCollection: TargetCollection, ast.SinkNotify: TargetNotify, ast.SinkPull: TargetPull,
	ast.SinkKafka: TargetKafka, ast.SinkNATS: TargetNATS, ast.SinkRedis: TargetRedis, ast.SinkRedisChannel: TargetRedisChannel,
}

func applyDeliver(names *spelling, s *Spec, d *ast.DeliverTo) {
	if d == nil {
		return
	}
	s.Target = Target{Kind: sinkKinds[d.Kind], Name: d.Target}
	s.Connection = d.Using.Name
	if d.Kind == ast.SinkCollection {
		s.Target.Name = dotted(d.Collection)
		of := d.Collection.Qualifier()
		if own := of.IsZero() || of.Name == publicSchema || of.Text == s.Database; own && s.Connection == "" && len(d.Collection.Parts) < 3 {
			s.Target.Name = s.ownCollection(names.collection(d.Collection.Last()))
		}
	}
}

// ownCollection names a collection of the database as a target. One whose name holds
// a dot says the database too: else what stands before it would be one.
func (s *Spec) ownCollection(name string) string {
	if strings.Contains(name, ".") {
		return s.Database + "." + name
	}
	return name
}

// applyOptions evaluates a list of options and takes them into s. fixed says
// which an ALTER refuses; the result has the options by name.
func applyOptions(ctx context.Context, lang Language, s *Spec, list []*ast.Option, refuse func(*option) bool) (givenOptions, error) {
	given := givenOptions{}
	for _, n := range list {
		name := strings.ToLower(n.Name.Name)
		o, ok := lookupOption(name)
		if !ok {
			return nil, unknownOption(name, n.Name.Pos())
		}
		if given[name] != nil {
			return nil, sqlerr.New(sqlerr.SyntaxError, "option %q is given more than once", name).At(n.Name.Pos())
		}
		if refuse != nil && refuse(o) {
			return nil, cannotAlter(name, n.Name.Pos())
		}
		if n.Value == nil {
			return nil, sqlerr.New(sqlerr.SyntaxError, "option %q needs a value", name).At(n.Name.Pos())
		}
		v, err := optionConstant(ctx, lang, n.Value)
		if err != nil {
			return nil, err
		}
		given[name] = &OptionValue{Name: name, NamePos: n.Name.Pos(), ValuePos: n.Value.Pos(), Value: v}
	}
	// The connection decides what a target may be, so it is taken first.
	for _, name := range []string{"connection"} {
		if o := given[name]; o != nil {
			if err := setOption(s, o); err != nil {
				return nil, err
			}
		}
	}
	for _, o := range options {
		if v := given[o.name]; v != nil {
			if err := setOption(s, v); err != nil {
				return nil, err
			}
		}
	}
	return given, nil
}

func cannotAlter(option string, pos int) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "option %q cannot be altered", option).At(pos).
		WithHint("Drop the subscription and create it with another %s.", option)
}

// optionConstant evaluates the value of an option. A bare word stands for its text,
// as in the options of other statements.
func optionConstant(ctx context.Context, lang Language, e ast.Expr) (value.Value, error) {
	if word, ok := e.(*ast.ColumnRef); ok && len(word.Parts) == 1 {
		return value.String(word.Parts[0].Text), nil
	}
	return lang.Constant(ctx, e)
}

// setOption takes a value; NULL means the default.
func setOption(s *Spec, v *OptionValue) error {
	o, _ := lookupOption(v.Name)
	if v.Value.IsNullish() {
		resetOption(s, o)
		return nil
	}
	return o.set(s, v)
}

// clauseTwice refuses a clause together with the option that says the same. s has
// what the clauses say.
func clauseTwice(s *Spec, n *ast.CreateEventSubscription) error {
	clauses := map[string]string{}
	for _, c := range []struct {
		used   bool
		clause string
		option string
	}{
		{len(n.Collections) > 0 || n.Database && !n.AsForm, "ON", "watch_collections"},
		{len(n.Events) > 0, "FOR", "event_types"},
		{len(s.UpdateFields) > 0, "UPDATE OF", "update_fields"},
		{n.Where != nil, "WHERE", "where"},
		{len(s.Filter) > 0, "WHERE", "event_filter"},
		{n.Deliver != nil, "DELIVER TO", "target"},
		{n.Deliver != nil && !n.Deliver.Using.IsZero(), "USING", "connection"},
	} {
		if c.used {
			clauses[c.option] = c.clause
		}
	}
	for _, o := range n.Options {
		if clause := clauses[strings.ToLower(o.Name.Name)]; clause != "" {
			return sqlerr.New(sqlerr.SyntaxError, "option %q and the clause %s are given together", strings.ToLower(o.Name.Name), clause).At(o.Name.Pos()).
				WithHint("They say the same; leave one out.")
		}
	}
	return nil
}

// givenOptions are the options of a statement by name, with those that its
// clauses say.
type givenOptions map[string]*OptionValue

// at gives the position of the first of some options that is given, else that of
// the statement.
func (g givenOptions) at(statement int, names ...string) int {
	for _, n := range names {
		if o := g[n]; o != nil {
			return o.ValuePos
		}
	}
	return statement
}

// asks tells whether an option has a value of its own: NULL asks for the default.
func (g givenOptions) asks(name string) bool {
	o := g[name]
	return o != nil && !o.Value.IsNullish()
}

// withDelivery adds what DELIVER TO says, for the positions of errors.
func (g givenOptions) withDelivery(d *ast.DeliverTo) givenOptions {
	if d != nil {
		g["target"] = &OptionValue{Name: "target", ValuePos: d.Pos()}
		if !d.Using.IsZero() {
			g["connection"] = &OptionValue{Name: "connection", ValuePos: d.Using.Pos()}
		}
	}
	return g
}

// check refuses what single options cannot see. pos is the statement's.
func check(ctx context.Context, lang Language, s *Spec, given givenOptions, pos int) error {
	bad := func(name, format string, args ...any) error {
		return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option %q", name).At(given.at(pos, name, "target")).WithHint(format, args...)
	}
	if s.PreserveOrder == "strict" && s.DeliveryShards > 1 {
		name := "delivery_shards"
		if given[name] == nil {
			name = "preserve_order"
		}
		return bad(name, "preserve_order = 'strict' sends one event after the other, so delivery_shards must be 1.")
	}
	if why := s.Target.fault(); why != "" {
		return bad("target", "%s", why)
	}
	if name, why := dishonoured(s, given); name != "" {
		return bad(name, "%s", why)
	}
	if i := slices.IndexFunc(s.TerminalStatuses, func(n int) bool { return slices.Contains(s.RetryStatuses, n) }); i >= 0 {
		name := "terminal_statuses"
		if given[name] == nil {
			name = "retry_statuses"
		}
		return bad(name, "%d cannot be both retried and terminal.", s.TerminalStatuses[i])
	}
	if !given.asks("max_retry_delay_ms") && s.MaxRetryDelayMS == defaultMaxRetryDelayMS { // the cap is nobody's wish
		s.MaxRetryDelayMS = max(s.MaxRetryDelayMS, s.RetryDelayMS)
	}
	if o := given["where"]; o != nil && s.Where != "" {
		_, err := lang.ConditionText(ctx, s.Where)
		if err := within(o, err, whereHint); err != nil {
			return err
		}
	}
	if o := given["transform"]; o != nil && s.Transform != "" {
		_, err := lang.Projection(ctx, s.Transform)
		return within(o, err, "It is a SELECT list over the columns of CHANGE_STREAM_EVENTS(), for example event_id, full_document->>'total' AS total.")
	}
	return nil
}

// within has an error of SQL text in an option point at the option.
func within(o *OptionValue, err error, hint string) error {
	if err == nil {
		return nil
	}
	e := *sqlerr.As(err)
	e.Position = o.ValuePos
	if e.Hint == "" {
		return e.WithHint("%s", hint)
	}
	return &e
}

// dishonoured finds an option that the target cannot honour, and says why.
func dishonoured(s *Spec, given givenOptions) (name, why string) {
	kind := s.Target.Kind
	webhook := kind == TargetWebhook
	secret := given.asks("secret") && len(s.Secrets) > 0 && !webhook
	fixed := kind == TargetNotify || kind == TargetPull || kind == TargetCollection
	switch {
	case needsConnection(kind) && s.Connection == "":
		return "connection", "A " + string(kind) + " target needs a connection: CREATE CONNECTION name TO …, then USING name."
	case s.Inbox && kind != TargetCollection:
		return "inbox", "Only a collection target can record what it received; use dedupe_window or the event's id."
	case given.asks("dedupe_window") && !kind.dedupes():
		return "dedupe_window", "Only NATS and Redis stream targets have a dedupe window; webhooks carry the event's id in webhook-id."
	case s.PayloadFormat == "cloudevents_binary" && s.Batch && webhook:
		return "payload_format", "cloudevents_binary has no batches; use cloudevents, or batch_processing = false."
	case s.PayloadFormat == "cloudevents_binary" && kind == TargetRedisChannel:
		return "payload_format", "A message of a Redis channel has no headers for the attributes; use cloudevents."
	case s.PayloadFormat != "cloudevents" && fixed:
		return "payload_format", "Only webhooks and brokers have a payload format."
	case s.Transform != "" && (kind == TargetNotify || kind == TargetPull):
		return "transform", "What is sent to a channel or read by PULL has its own form; select columns when reading."
	case secret:
		return "secret", "Only webhooks are signed."
	case len(s.Headers) > 0 && kind != TargetNone && !webhook:
		return "headers", "Only webhooks have headers."
	case len(s.RetryStatuses) > 0 && kind != TargetNone && !webhook:
		return "retry_statuses", "Only webhooks answer with HTTP statuses."
	case len(s.TerminalStatuses) > 0 && kind != TargetNone && !webhook:
		return "terminal_statuses", "Only webhooks answer with HTTP statuses."
	case kind == TargetCollection && s.Connection == "" && s.writesToItself():
		return "target", "The subscription would write into what it watches; choose another collection."
	case kind == TargetCollection && s.Connection == "" && strings.HasPrefix(s.Target.Name, Database+"."):
		return "target", "The database " + Database + " is the gateway's own."
	}
	return "", ""
}

// writesToItself tells of a target that is watched by its name.
func (s *Spec) writesToItself() bool {
	return slices.Contains(s.Collections, strings.TrimPrefix(s.Target.Name, s.Database+"."))
}

func needsConnection(k TargetKind) bool {
	switch k {
	case TargetKafka, TargetNATS, TargetRedis, TargetRedisChannel:
		return true
	}
	return false
}

// resetOption gives an option its default back.
func resetOption(s *Spec, o *option) {
	fresh := NewSpec(s.Database, s.Name)
	fresh.ID, fresh.CreatedBy = s.ID, s.CreatedBy
	copyOption(s, fresh, o.name)
}
