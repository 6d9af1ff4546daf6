package events

// Step is a step of the reader or of a dispatcher that is done.
type Step string

// The steps, in the order in which an event goes through them. A process that
// ends after any of them repeats an event at most.
const (
	StepRead      Step = "read"      // a batch is read
	StepRouted    Step = "routed"    // its rows are made
	StepBodies    Step = "bodies"    // the images that they share are stored
	StepLogged    Step = "logged"    // they are in the log
	StepSaved     Step = "saved"     // the reader's token and position are saved
	StepPublished Step = "published" // the rows are handed over
	StepTaken     Step = "taken"     // a dispatcher has rows
	StepSending   Step = "sending"   // a delivery begins
	StepSent      Step = "sent"      // it ended
	StepAttempted Step = "attempted" // the failed sends are recorded
	StepBuried    Step = "buried"    // the dead letters are there
	StepRecorded  Step = "recorded"  // the rows have their outcomes
	StepMoved     Step = "moved"     // the cursor is moved
)

// Steps lists them.
func Steps() []Step {
	return []Step{StepRead, StepRouted, StepBodies, StepLogged, StepSaved, StepPublished, StepTaken, StepSending, StepSent, StepAttempted, StepBuried, StepRecorded, StepMoved}
}
