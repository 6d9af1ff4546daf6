package catalog

import (
	"context"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// addIdentity is ALTER COLUMN c ADD GENERATED … AS IDENTITY.
func (a *alteration) addIdentity(x *ast.AlterAction) error {
	oc, err := a.own(x.Name)
	if err != nil {
		return err
	}
	if err := identityType(oc, x.Name.Pos()); err != nil {
		return err
	}
	problem := ""
	switch {
	case oc.Identity != "":
		problem = "column %q of relation %q is already an identity column"
	case oc.Default != "":
		problem = "column %q of relation %q already has a default value"
	case !oc.NotNull:
		problem = "column %q of relation %q must be declared NOT NULL before identity can be added"
	}
	if problem != "" {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, problem, oc.Name, a.table.Name).At(x.Name.Pos())
	}
	if err := a.tb.sequenceFor(oc, x.Sequence); err != nil {
		return err
	}
	oc.Identity = identityKind(x.Always)
	return nil
}

func identityType(c *objectColumn, pos int) error {
	switch sqltype.OID(c.Type) {
	case sqltype.Int2, sqltype.Int4, sqltype.Int8:
		return nil
	}
	return sqlerr.New(sqlerr.InvalidParameterValue, "identity column type must be smallint, integer, or bigint").At(pos)
}

func identityKind(always bool) string {
	if always {
		return "a"
	}
	return "d"
}

// changeIdentity is ALTER COLUMN c SET GENERATED …, SET option, RESTART, or DROP IDENTITY.
func (a *alteration) changeIdentity(ctx context.Context, x *ast.AlterAction) error {
	oc, err := a.own(x.Name)
	if err != nil {
		return err
	}
	if oc.Identity == "" {
		if x.Kind == ast.DropIdentity && x.IfExists {
			a.out.notice(sqlerr.SuccessfulCompletion, "column %q of relation %q is not an identity column, skipping", oc.Name, a.table.Name)
			return nil
		}
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "column %q of relation %q is not an identity column", oc.Name, a.table.Name).At(x.Name.Pos())
	}
	seq, err := a.sequenceOf(ctx, oc)
	if err != nil {
		return err
	}
	if x.Kind == ast.DropIdentity {
		oc.Identity, oc.Default = "", ""
		if seq != nil {
			a.dropSequences = append(a.dropSequences, seq)
		}
		return nil
	}
	if x.Text == "GENERATED" {
		oc.Identity = identityKind(x.Always)
	}
	if seq == nil || len(x.Sequence) == 0 {
		return nil
	}
	cp, q := *seq, *seq.Sequence
	cp.Sequence = &q
	if err := applySequence(cp.Sequence, x.Sequence, false); err != nil {
		return err
	}
	a.tb.sequences = append(a.tb.sequences, &cp)
	return nil
}

// sequenceOf finds the sequence that a column owns; nil when it is gone.
func (a *alteration) sequenceOf(ctx context.Context, oc *objectColumn) (*object, error) {
	known, err := a.database(ctx, a.tb.o.DB, 0)
	if err != nil {
		return nil, err
	}
	for _, o := range known.objects {
		if o.Sequence != nil && o.Sequence.OwnedBy == a.tb.o.Name+"."+oc.Name {
			return a.storedObject(ctx, o.ID) // its last value as it is now
		}
	}
	return nil, nil
}
