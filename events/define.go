package events

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"

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
}

// define makes the spec of a CREATE EVENT_SUBSCRIPTION. Nothing is stored, so
// every mistake leaves all as it was.
func define(ctx context.Context, lang Language, database, user string, n *ast.CreateEventSubscription) (*Definition, error) {
	s := NewSpec(database, n.Name.Name)
	s.CreatedBy = user
	if err := applyClauses(ctx, lang, s, n); err != nil {
		return nil, err
	}
	given, err := applyOptions(ctx, lang, s, n.Options, nil)
	if err != nil {
		return nil, err
	}
	if err := clauseTwice(n, given); err != nil {
		return nil, err
	}
	if !validID.MatchString(s.ID) {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "the name \"%s\" cannot be a subscription_id", s.Name).At(n.Name.Pos()).
			WithHint("Give a subscription_id of 1 to 128 of the characters A-Z a-z 0-9 _ -.")
	}
	if err := check(ctx, lang, s, given); err != nil {
		return nil, err
	}
	d := &Definition{Spec: s, Start: n.Start, Backfill: n.Backfill}
	if s.Target.Kind == TargetWebhook && len(s.Secrets) == 0 {
		d.NewSecret = newSecret()
		s.Secrets = []Secret{{Key: d.NewSecret}}
	}
	return d, nil
}

func newSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:])
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// applyClauses takes ON, FOR, WHERE and DELIVER TO.
func applyClauses(ctx context.Context, lang Language, s *Spec, n *ast.CreateEventSubscription) error {
	for _, c := range n.Collections {
		s.Collections = append(s.Collections, c.Last().Text)
	}
	if len(n.Events) > 0 {
		s.EventTypes = nil
	}
	for _, e := range n.Events {
		s.EventTypes = append(s.EventTypes, e.Event)
		for _, f := range e.Fields {
			s.UpdateFields = append(s.UpdateFields, dotted(f))
		}
	}
	if n.Where != nil {
		if _, err := lang.Condition(ctx, n.Where); err != nil {
			return err
		}
		s.Where = lang.Print(n.Where)
	}
	return applyDeliver(s, n.Deliver)
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

func applyDeliver(s *Spec, d *ast.DeliverTo) error {
	if d == nil {
		return nil
	}
	s.Target = Target{Kind: sinkKinds[d.Kind], Name: d.Target}
	s.Connection = d.Using.Name
	switch d.Kind {
	case ast.SinkCollection:
		s.Target.Name = dotted(d.Collection)
	case ast.SinkWebhook:
		return checkURL(d.Target, s.Connection != "", &OptionValue{Name: "target", ValuePos: d.Pos()})
	}
	return nil
}

// applyOptions evaluates a list of options and takes them into s. fixed says
// which an ALTER refuses; the result has the options by name.
func applyOptions(ctx context.Context, lang Language, s *Spec, list []*ast.Option, refuse func(*option) bool) (map[string]*OptionValue, error) {
	given := map[string]*OptionValue{}
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
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "option %q cannot be altered", name).At(n.Name.Pos()).
				WithHint("Drop the subscription and create it with another %s.", name)
		}
		if n.Value == nil {
			return nil, sqlerr.New(sqlerr.SyntaxError, "option %q needs a value", name).At(n.Name.Pos())
		}
		v, err := lang.Constant(ctx, n.Value)
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

// setOption takes a value; NULL means the default.
func setOption(s *Spec, v *OptionValue) error {
	o, _ := lookupOption(v.Name)
	if v.Value.IsNullish() {
		resetOption(s, o)
		return nil
	}
	return o.set(s, v)
}

// clauseTwice refuses a clause together with the option that says the same.
func clauseTwice(n *ast.CreateEventSubscription, given map[string]*OptionValue) error {
	for _, c := range []struct {
		used   bool
		clause string
		option string
	}{
		{len(n.Collections) > 0 || n.Database && !n.AsForm, "ON", "watch_collections"},
		{len(n.Events) > 0, "FOR", "event_types"},
		{n.Where != nil, "WHERE", "where"},
		{n.Deliver != nil, "DELIVER TO", "target"},
	} {
		if o := given[c.option]; o != nil && c.used {
			return sqlerr.New(sqlerr.SyntaxError, "option %q and the clause %s are given together", c.option, c.clause).At(o.NamePos).
				WithHint("They say the same; leave one out.")
		}
	}
	return nil
}

// check refuses what single options cannot see.
func check(ctx context.Context, lang Language, s *Spec, given map[string]*OptionValue) error {
	pos := func(name string) int {
		if o := given[name]; o != nil {
			return o.ValuePos
		}
		return 0
	}
	bad := func(name, format string, args ...any) error {
		return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option %q", name).At(pos(name)).WithHint(format, args...)
	}
	if s.PreserveOrder == "strict" && s.DeliveryShards > 1 {
		name := "delivery_shards"
		if given[name] == nil {
			name = "preserve_order"
		}
		return bad(name, "preserve_order = 'strict' sends one event after the other, so delivery_shards must be 1.")
	}
	kind := s.Target.Kind
	if needsConnection(kind) && s.Connection == "" {
		return bad("connection", "A %s target needs a connection: CREATE CONNECTION name TO …, then USING name.", kind)
	}
	if s.Inbox && kind != TargetCollection {
		return bad("inbox", "Only a collection target can record what it received; use dedupe_window or the event's id.")
	}
	if given["dedupe_window"] != nil && !kind.dedupes() {
		return bad("dedupe_window", "Only NATS and Redis stream targets have a dedupe window; webhooks carry the event's id in webhook-id.")
	}
	if s.PayloadFormat == "cloudevents_binary" && s.Batch {
		return bad("payload_format", "cloudevents_binary has no batches; use cloudevents, or batch_processing = false.")
	}
	if s.MaxRetryDelayMS < s.RetryDelayMS {
		s.MaxRetryDelayMS = s.RetryDelayMS
	}
	if o := given["where"]; o != nil && s.Where != "" {
		if _, err := lang.ConditionText(ctx, s.Where); err != nil {
			e := *sqlerr.As(err)
			e.Position = o.ValuePos
			return &e
		}
	}
	if o := given["transform"]; o != nil && s.Transform != "" {
		if _, err := lang.Projection(ctx, s.Transform); err != nil {
			e := *sqlerr.As(err)
			e.Position = o.ValuePos
			return &e
		}
	}
	return nil
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
