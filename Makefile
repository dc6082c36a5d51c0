PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCE ?=
DRIVING ?=
AUDIO ?=
OUTPUT ?= demo_output

DATA ?= ../shared/data
MEASURE ?=

.PHONY: demo app test quality style docs numbers

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[demo,train,mediapipe,smpl,c2pa,serve,ray,openvino,onnxruntime]" --group dev --group docs
	touch $@

demo: $(VENV)/.installed  ## animate a photograph (SOURCE=me.jpg DRIVING=clip.mp4 AUDIO=speech.wav for your own)
	$(BIN)/python scripts/demo.py --output "$(OUTPUT)" $(if $(SOURCE),--source "$(SOURCE)") $(if $(DRIVING),--driving "$(DRIVING)") $(if $(AUDIO),--audio "$(AUDIO)")

app: $(VENV)/.installed  ## show the page in the browser
	$(BIN)/adaat demo

docs: $(VENV)/.installed  ## build the documentation into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

numbers: $(VENV)/.installed  ## measure the held-out list (DATA=folder MEASURE="options of adaat evaluate") and write the tables
	$(BIN)/adaat evaluate --heldout "$(DATA)" $(MEASURE) --output runs/heldout
	$(BIN)/python scripts/update_tables.py $(foreach task,reconstruction cross-identity talking persons,$(task)=runs/heldout/$(task)/results.json)

test: $(VENV)/.installed  ## run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

quality: $(VENV)/.installed  ## check style and types
	$(BIN)/ruff check src tests scripts pipelines spaces
	$(BIN)/ruff format --check src tests scripts pipelines spaces
	$(BIN)/mypy

style: $(VENV)/.installed  ## mend style
	$(BIN)/ruff check --fix src tests scripts pipelines spaces
	$(BIN)/ruff format src tests scripts pipelines spaces
