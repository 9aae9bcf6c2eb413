package towerrpc

import "sync"

// maxIdle is how many workers stay for the next job: as many calls as the HTTP door
// lets in at once, and some of the operator's.
const maxIdle = 192

// workers run jobs at once, each on a goroutine of its own. Those stay for the next
// job: the stack of a new one would have to be copied several times before it is as
// deep as a signature and a statement need it.
type workers struct {
	jobs chan func()
	idle chan struct{} // one for each worker without a job
	quit chan struct{}
	all  sync.WaitGroup
}

func newWorkers() *workers {
	return &workers{jobs: make(chan func()), idle: make(chan struct{}, maxIdle), quit: make(chan struct{})}
}

// run starts a job. It must not be called after stop.
func (w *workers) run(job func()) {
	select {
	case w.jobs <- job:
	default:
		w.all.Go(func() { w.work(job) })
	}
}

func (w *workers) work(job func()) {
	for {
		job()
		select {
		case w.idle <- struct{}{}:
		default:
			return
		}
		select {
		case job = <-w.jobs:
			<-w.idle
		case <-w.quit:
			return
		}
	}
}

// stop ends when all jobs have. It must be called once.
func (w *workers) stop() {
	close(w.quit)
	w.all.Wait()
}
