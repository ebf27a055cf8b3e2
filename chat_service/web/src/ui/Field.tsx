import { type InputHTMLAttributes, useId } from "react";

interface Props extends Omit<InputHTMLAttributes<HTMLInputElement>, "minLength"> {
  label: string;
  hint?: string | undefined;
  problem?: string | undefined;
  minLength?: number | undefined;
}

export function Field({ label, hint, problem, minLength, required = true, ...input }: Props) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {hint && <span className="muted">· {hint}</span>}
      </label>
      <input
        id={id}
        required={required}
        aria-invalid={problem ? true : undefined}
        aria-describedby={problem ? `${id}-problem` : undefined}
        {...(minLength !== undefined && { minLength })}
        {...input}
      />
      {problem && (
        <p className="problem" id={`${id}-problem`}>
          {sentence(problem)}
        </p>
      )}
    </div>
  );
}

/** As a sentence: the services say "it has 4 characters". */
function sentence(problem: string): string {
  const end = /[.!?]$/.test(problem) ? "" : ".";
  return problem.charAt(0).toUpperCase() + problem.slice(1) + end;
}
